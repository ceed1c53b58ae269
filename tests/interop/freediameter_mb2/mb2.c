/* MB2-C for freeDiameter, as far as the interoperability test needs it.
 *
 * Argument: "bmsc:FILE" or "gcs:FILE". Either role answers GAR and GNR. A BM-SC also notifies whoever sent a GAR, a
 * GCS AS sends one GAR when a peer is open. What arrives goes to FILE, an AVP a line: command, path of codes, value.
 */
#include <freeDiameter/extension.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TGPP 10415
#define MB2C 16777335
#define GCS_ACTION 8388662
#define GCS_NOTIFICATION 8388663

#define V AVP_FLAG_VENDOR
#define M AVP_FLAG_MANDATORY
#define G AVP_TYPE_GROUPED
#define O AVP_TYPE_OCTETSTRING
#define I AVP_TYPE_INTEGER32
#define U AVP_TYPE_UNSIGNED32

/* Flags as in tables of TS 29.468, TS 29.061, TS 29.212 and TS 29.229. */
static struct dict_avp_data avps[] = {
	{507, TGPP, "MB2-Flow-Description", V | M, V | M, O},
	{515, TGPP, "MB2-Max-Requested-Bandwidth-DL", V | M, V | M, U},
	{628, TGPP, "MB2-Supported-Features", V, V, G},
	{629, TGPP, "MB2-Feature-List-ID", V | M, V, U},
	{630, TGPP, "MB2-Feature-List", V | M, V, U},
	{900, TGPP, "MB2-TMGI", V | M, V | M, O},
	{902, TGPP, "MB2-MBMS-StartStop-Indication", V | M, V | M, I},
	{903, TGPP, "MB2-MBMS-Service-Area", V | M, V | M, O},
	{904, TGPP, "MB2-MBMS-Session-Duration", V | M, V | M, O},
	{920, TGPP, "MB2-MBMS-Flow-Identifier", V | M, V | M, O},
	{932, TGPP, "MB2-Restart-Counter", V | M, V, U},
	{934, TGPP, "MB2-MBMS-Cell-List", V | M, V, O},
	{1016, TGPP, "MB2-QoS-Information", V | M, V | M, G},
	{1025, TGPP, "MB2-Guaranteed-Bitrate-DL", V | M, V | M, U},
	{1028, TGPP, "MB2-QoS-Class-Identifier", V | M, V | M, I},
	{1034, TGPP, "MB2-Allocation-Retention-Priority", V | M, V, G},
	{1046, TGPP, "MB2-Priority-Level", V | M, V, U},
	{1047, TGPP, "MB2-Pre-emption-Capability", V | M, V, I},
	{1048, TGPP, "MB2-Pre-emption-Vulnerability", V | M, V, I},
	{3500, TGPP, "MB2-BMSC-Address", V | M, V | M, O},
	{3501, TGPP, "MB2-BMSC-Port", V | M, V | M, U},
	{3502, TGPP, "MB2-MBMS-Bearer-Event", V | M, V | M, U},
	{3503, TGPP, "MB2-MBMS-Bearer-Event-Notification", V | M, V | M, G},
	{3504, TGPP, "MB2-MBMS-Bearer-Request", V | M, V | M, G},
	{3505, TGPP, "MB2-MBMS-Bearer-Response", V | M, V | M, G},
	{3506, TGPP, "MB2-MBMS-Bearer-Result", V | M, V | M, U},
	{3507, TGPP, "MB2-MBMS-Start-Time", V | M, V | M, O},
	{3509, TGPP, "MB2-TMGI-Allocation-Request", V | M, V | M, G},
	{3510, TGPP, "MB2-TMGI-Allocation-Response", V | M, V | M, G},
	{3511, TGPP, "MB2-TMGI-Allocation-Result", V | M, V | M, U},
	{3515, TGPP, "MB2-TMGI-Expiry", V | M, V | M, G},
	{3516, TGPP, "MB2-TMGI-Number", V | M, V | M, U},
	{3517, TGPP, "MB2-MB2U-Security", V | M, V | M, U},
};
#define AVPS (sizeof(avps) / sizeof(*avps))
static struct dict_object *models[AVPS];
static struct dict_object *gar, *gnr;
static char *role, *path;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct dict_object *model(int code)
{
	for (size_t i = 0; i < AVPS; i++)
		if (avps[i].avp_code == (avp_code_t)code)
			return models[i];
	return NULL;
}

static int add(msg_or_avp *where, struct dict_object *kind, union avp_value *value, struct avp **made)
{
	struct avp *avp;
	CHECK_FCT(fd_msg_avp_new(kind, 0, &avp));
	if (value)
		CHECK_FCT(fd_msg_avp_setvalue(avp, value));
	CHECK_FCT(fd_msg_avp_add(where, MSG_BRW_LAST_CHILD, avp));
	if (made)
		*made = avp;
	return 0;
}

static int add_number(msg_or_avp *where, int code, uint32_t number)
{
	union avp_value value = {.u32 = number};
	return add(where, model(code), &value, NULL);
}

static int add_octets(msg_or_avp *where, int code, const void *octets, size_t length)
{
	union avp_value value = {.os = {(uint8_t *)octets, length}};
	return add(where, model(code), &value, NULL);
}

static int add_base(struct msg *msg, const char *name, const void *octets, size_t length, uint32_t number)
{
	struct dict_object *kind;
	union avp_value value;
	CHECK_FCT(fd_dict_search(fd_g_config->cnf_dict, DICT_AVP, AVP_BY_NAME, name, &kind, ENOENT));
	if (octets) {
		value.os.data = (uint8_t *)octets;
		value.os.len = length;
	} else
		value.u32 = number;
	return add(msg, kind, &value, NULL);
}

static int add_session_avps(struct msg *msg)
{
	CHECK_FCT(add_base(msg, "Auth-Application-Id", NULL, 0, MB2C));
	return add_base(msg, "Auth-Session-State", NULL, 0, 1);
}

static void tell(FILE *file, const char *command, const char *before, msg_or_avp *where)
{
	struct avp *avp = NULL;
	if (fd_msg_browse(where, MSG_BRW_FIRST_CHILD, &avp, NULL))
		return;
	while (avp) {
		struct avp_hdr *header;
		struct dict_object *kind = NULL;
		struct dict_avp_data data = {.avp_basetype = O};
		char here[200];
		fd_msg_avp_hdr(avp, &header);
		fd_msg_model(avp, &kind);
		snprintf(here, sizeof(here), "%s%s%u", before, *before ? "." : "", header->avp_code);
		if (kind)
			fd_dict_getval(kind, &data);
		if (!kind)
			fprintf(file, "%s %s unknown\n", command, here);
		else if (data.avp_basetype == G)
			tell(file, command, here, avp);
		else if (header->avp_value && data.avp_basetype == O) {
			fprintf(file, "%s %s ", command, here);
			for (size_t i = 0; i < header->avp_value->os.len; i++)
				fprintf(file, "%02x", header->avp_value->os.data[i]);
			fprintf(file, "\n");
		} else if (header->avp_value)
			fprintf(file, "%s %s %u\n", command, here, header->avp_value->u32);
		if (fd_msg_browse(avp, MSG_BRW_NEXT, &avp, NULL))
			break;
	}
}

static void record(const char *command, struct msg *msg)
{
	pthread_mutex_lock(&lock);
	FILE *file = fopen(path, "a");
	if (file) {
		tell(file, command, "", msg);
		fprintf(file, "%s end\n", command);
		fclose(file);
	}
	pthread_mutex_unlock(&lock);
}

static void answered(void *command, struct msg **msg)
{
	record(command, *msg);
	fd_msg_free(*msg);
	*msg = NULL;
}

static int request(struct dict_object *kind, struct msg **msg)
{
	CHECK_FCT(fd_msg_new(kind, MSGFL_ALLOC_ETEID, msg));
	CHECK_FCT(fd_msg_new_session(*msg, (os0_t) "mb2", 3));
	CHECK_FCT(add_session_avps(*msg));
	return fd_msg_add_origin(*msg, 0);
}

static int notify(const union avp_value *host, const union avp_value *realm)
{
	struct msg *msg;
	struct avp *group;
	CHECK_FCT(request(gnr, &msg));
	CHECK_FCT(add_base(msg, "Destination-Realm", realm->os.data, realm->os.len, 0));
	CHECK_FCT(add_base(msg, "Destination-Host", host->os.data, host->os.len, 0));
	CHECK_FCT(add(msg, model(3503), NULL, &group));
	CHECK_FCT(add_octets(group, 900, "\xb0\x00\x02\x00\xf1\x10", 6));
	CHECK_FCT(add_octets(group, 920, "\x00\x01", 2));
	CHECK_FCT(add_number(group, 3502, 2));
	CHECK_FCT(add_number(msg, 932, 42));
	return fd_msg_send(&msg, answered, "GNA");
}

static int ask(const char *realm, size_t length)
{
	struct msg *msg;
	struct avp *group, *qos, *arp;
	CHECK_FCT(request(gar, &msg));
	CHECK_FCT(add_base(msg, "Destination-Realm", realm, length, 0));
	CHECK_FCT(add(msg, model(3509), NULL, &group));
	CHECK_FCT(add_number(group, 3516, 2));
	CHECK_FCT(add_octets(group, 900, "\x12\x34\x56\x13\x00\x14", 6));
	CHECK_FCT(add(msg, model(3504), NULL, &group));
	CHECK_FCT(add_number(group, 902, 0));
	CHECK_FCT(add(group, model(1016), NULL, &qos));
	CHECK_FCT(add_number(qos, 1028, 65));
	CHECK_FCT(add_number(qos, 515, 256000));
	CHECK_FCT(add_number(qos, 1025, 128000));
	CHECK_FCT(add(qos, model(1034), NULL, &arp));
	CHECK_FCT(add_number(arp, 1046, 2));
	CHECK_FCT(add_octets(group, 903, "\x02\x00\x01\x00\x02\x01\x2c", 7));
	CHECK_FCT(add_number(msg, 932, 3));
	return fd_msg_send(&msg, answered, "GAA");
}

static union avp_value *base_value(struct msg *msg, const char *name)
{
	struct dict_object *kind;
	struct avp *avp = NULL;
	struct avp_hdr *header;
	if (fd_dict_search(fd_g_config->cnf_dict, DICT_AVP, AVP_BY_NAME, name, &kind, ENOENT) ||
	    fd_msg_search_avp(msg, kind, &avp) || !avp || fd_msg_avp_hdr(avp, &header))
		return NULL;
	return header->avp_value;
}

static int on_gar(struct msg **msg, struct avp *avp, struct session *session, void *opaque, enum disp_action *action)
{
	struct avp *group;
	struct msg *asked = *msg;
	(void)avp;
	(void)session;
	(void)opaque;
	record("GAR", asked);
	union avp_value *host = base_value(asked, "Origin-Host"), *realm = base_value(asked, "Origin-Realm");
	if (!strcmp(role, "bmsc") && host && realm)
		CHECK_FCT(notify(host, realm));
	CHECK_FCT(fd_msg_new_answer_from_req(fd_g_config->cnf_dict, msg, 0));
	CHECK_FCT(fd_msg_rescode_set(*msg, "DIAMETER_SUCCESS", NULL, NULL, 1));
	CHECK_FCT(add_session_avps(*msg));
	CHECK_FCT(add(*msg, model(3510), NULL, &group));
	CHECK_FCT(add_octets(group, 900, "\xb0\x00\x01\x00\xf1\x10", 6));
	CHECK_FCT(add_octets(group, 904, "\x07\x08\x00", 3));
	CHECK_FCT(add(*msg, model(3505), NULL, &group));
	CHECK_FCT(add_octets(group, 900, "\xb0\x00\x02\x00\xf1\x10", 6));
	CHECK_FCT(add_octets(group, 920, "\x00\x01", 2));
	CHECK_FCT(add_octets(group, 904, "\x07\x08\x00", 3));
	CHECK_FCT(add_octets(group, 3500, "\x00\x01\x7f\x00\x00\x01", 6));
	CHECK_FCT(add_number(group, 3501, 9470));
	CHECK_FCT(add_number(*msg, 932, 42));
	*action = DISP_ACT_SEND;
	return 0;
}

static int on_gnr(struct msg **msg, struct avp *avp, struct session *session, void *opaque, enum disp_action *action)
{
	(void)avp;
	(void)session;
	(void)opaque;
	record("GNR", *msg);
	CHECK_FCT(fd_msg_new_answer_from_req(fd_g_config->cnf_dict, msg, 0));
	CHECK_FCT(fd_msg_rescode_set(*msg, "DIAMETER_SUCCESS", NULL, NULL, 1));
	CHECK_FCT(add_session_avps(*msg));
	CHECK_FCT(add_number(*msg, 932, 3));
	*action = DISP_ACT_SEND;
	return 0;
}

/* A GCS AS asks once, when a peer is open; it gives up after half a minute. */
static void *wait_and_ask(void *unused)
{
	(void)unused;
	for (int i = 0; i < 300; i++) {
		char realm[200] = "";
		pthread_rwlock_rdlock(&fd_g_peers_rw);
		for (struct fd_list *at = fd_g_peers.next; at != &fd_g_peers; at = at->next) {
			struct peer_hdr *peer = (struct peer_hdr *)at->o;
			if (fd_peer_get_state(peer) == STATE_OPEN && peer->info.runtime.pir_realm)
				snprintf(realm, sizeof(realm), "%s", peer->info.runtime.pir_realm);
		}
		pthread_rwlock_unlock(&fd_g_peers_rw);
		if (*realm) {
			ask(realm, strlen(realm));
			break;
		}
		usleep(100000);
	}
	return NULL;
}

static int define_command(struct dict_object *app, command_code_t code, char *name, uint8_t request_bit,
			  struct dict_object **made)
{
	struct dict_cmd_data data = {code, name, CMD_FLAG_REQUEST | CMD_FLAG_PROXIABLE, request_bit | CMD_FLAG_PROXIABLE};
	return fd_dict_new(fd_g_config->cnf_dict, DICT_COMMAND, &data, app, made);
}

static int start(char *argument)
{
	struct dictionary *dictionary = fd_g_config->cnf_dict;
	struct dict_vendor_data vendor_data = {TGPP, "3GPP"};
	struct dict_application_data app_data = {MB2C, "3GPP MB2-C"};
	struct dict_object *vendor, *app, *answer;
	struct disp_when when = {0};

	role = strdup(argument);
	path = strchr(role, ':');
	if (!path)
		return EINVAL;
	*path++ = 0;
	CHECK_FCT(fd_dict_new(dictionary, DICT_VENDOR, &vendor_data, NULL, &vendor));
	CHECK_FCT(fd_dict_new(dictionary, DICT_APPLICATION, &app_data, vendor, &app));
	for (size_t i = 0; i < AVPS; i++)
		CHECK_FCT(fd_dict_new(dictionary, DICT_AVP, &avps[i], NULL, &models[i]));
	CHECK_FCT(define_command(app, GCS_ACTION, "GCS-Action-Request", CMD_FLAG_REQUEST, &gar));
	CHECK_FCT(define_command(app, GCS_ACTION, "GCS-Action-Answer", 0, &answer));
	CHECK_FCT(define_command(app, GCS_NOTIFICATION, "GCS-Notification-Request", CMD_FLAG_REQUEST, &gnr));
	CHECK_FCT(define_command(app, GCS_NOTIFICATION, "GCS-Notification-Answer", 0, &answer));
	when.app = app;
	when.command = gar;
	CHECK_FCT(fd_disp_register(on_gar, DISP_HOW_CC, &when, NULL, NULL));
	when.command = gnr;
	CHECK_FCT(fd_disp_register(on_gnr, DISP_HOW_CC, &when, NULL, NULL));
	CHECK_FCT(fd_disp_app_support(app, vendor, 1, 0));
	if (!strcmp(role, "gcs")) {
		pthread_t thread;
		CHECK_POSIX(pthread_create(&thread, NULL, wait_and_ask, NULL));
		CHECK_POSIX(pthread_detach(thread));
	}
	return 0;
}

EXTENSION_ENTRY("mb2", start);
