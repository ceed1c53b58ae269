BEGIN TRANSACTION;
CREATE TABLE data_key (
	id VARCHAR(16) NOT NULL, 
	kek_id VARCHAR(16) NOT NULL, 
	blob BLOB NOT NULL, 
	CONSTRAINT pk_data_key PRIMARY KEY (id)
);
CREATE TABLE kms_certificate (
	kms_uri TEXT NOT NULL, 
	document BLOB NOT NULL, 
	revoked BOOLEAN NOT NULL, 
	changed BIGINT NOT NULL, 
	CONSTRAINT pk_kms_certificate PRIMARY KEY (kms_uri)
);
CREATE TABLE kms_client (
	user_uri TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	client_id TEXT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	made BIGINT NOT NULL, 
	transport BLOB NOT NULL, 
	integrity BLOB NOT NULL, 
	CONSTRAINT pk_kms_client PRIMARY KEY (user_uri, number)
);
CREATE TABLE kms_issued (
	uid BLOB NOT NULL, 
	user_uri TEXT NOT NULL, 
	period_no BIGINT NOT NULL, 
	first_issued BIGINT NOT NULL, 
	blob BLOB NOT NULL, 
	CONSTRAINT pk_kms_issued PRIMARY KEY (uid)
);
CREATE TABLE kms_log (
	sequence BIGINT NOT NULL, 
	identity TEXT NOT NULL, 
	line TEXT NOT NULL, 
	CONSTRAINT pk_kms_log PRIMARY KEY (sequence)
);
CREATE TABLE kms_master (
	id INTEGER NOT NULL, 
	kms_uri TEXT NOT NULL, 
	period BIGINT NOT NULL, 
	"offset" BIGINT NOT NULL, 
	made BIGINT NOT NULL, 
	z BLOB NOT NULL, 
	ksak BLOB NOT NULL, 
	CONSTRAINT pk_kms_master PRIMARY KEY (id)
);
CREATE TABLE kms_revoked (
	user_uri TEXT NOT NULL, 
	since BIGINT NOT NULL, 
	reason TEXT NOT NULL, 
	CONSTRAINT pk_kms_revoked PRIMARY KEY (user_uri)
);
CREATE TABLE mc_affiliation (
	group_id TEXT NOT NULL, 
	mc_service_id TEXT NOT NULL, 
	CONSTRAINT pk_mc_affiliation PRIMARY KEY (group_id, mc_service_id)
);
CREATE TABLE mc_bearer (
	tmgi TEXT NOT NULL, 
	description TEXT NOT NULL, 
	CONSTRAINT pk_mc_bearer PRIMARY KEY (tmgi)
);
CREATE TABLE mc_csk (
	mc_service_id TEXT NOT NULL, 
	key_id BIGINT NOT NULL, 
	wrapped BLOB NOT NULL, 
	rand BLOB NOT NULL, 
	maker_domain TEXT NOT NULL, 
	maker_entity TEXT NOT NULL, 
	created FLOAT NOT NULL, 
	activation FLOAT NOT NULL, 
	expiry FLOAT, 
	CONSTRAINT pk_mc_csk PRIMARY KEY (mc_service_id)
);
CREATE TABLE mc_delivery (
	id INTEGER NOT NULL, 
	mc_service_id TEXT NOT NULL, 
	key_id BIGINT NOT NULL, 
	state INTEGER NOT NULL, 
	urgency INTEGER NOT NULL, 
	due FLOAT NOT NULL, 
	attempts INTEGER NOT NULL, 
	reason TEXT NOT NULL, 
	CONSTRAINT pk_mc_delivery PRIMARY KEY (id)
);
CREATE TABLE mc_key (
	key_id BIGINT NOT NULL, 
	place INTEGER NOT NULL, 
	scope TEXT NOT NULL, 
	wrapped BLOB NOT NULL, 
	rand BLOB NOT NULL, 
	maker_domain TEXT NOT NULL, 
	maker_entity TEXT NOT NULL, 
	created FLOAT NOT NULL, 
	activation FLOAT NOT NULL, 
	expiry FLOAT, 
	state VARCHAR(16) NOT NULL, 
	since FLOAT NOT NULL, 
	until FLOAT, 
	blocking BOOLEAN NOT NULL, 
	CONSTRAINT pk_mc_key PRIMARY KEY (key_id)
);
CREATE TABLE mc_kms_pair (
	user TEXT NOT NULL, 
	number BIGINT NOT NULL, 
	transport BLOB NOT NULL, 
	integrity BLOB NOT NULL, 
	CONSTRAINT pk_mc_kms_pair PRIMARY KEY (user)
);
CREATE TABLE mc_listener (
	mc_service_id TEXT NOT NULL, 
	tmgi TEXT NOT NULL, 
	group_id TEXT NOT NULL, 
	CONSTRAINT pk_mc_listener PRIMARY KEY (mc_service_id, tmgi, group_id)
);
CREATE TABLE mc_provenance (
	sequence BIGINT NOT NULL, 
	line TEXT NOT NULL, 
	CONSTRAINT pk_mc_provenance PRIMARY KEY (sequence)
);
CREATE TABLE mc_srtcp_mark (
	key_id BIGINT NOT NULL, 
	ssrc BIGINT NOT NULL, 
	last BIGINT NOT NULL, 
	CONSTRAINT pk_mc_srtcp_mark PRIMARY KEY (key_id, ssrc)
);
CREATE TABLE mc_user (
	mc_service_id TEXT NOT NULL, 
	impu TEXT NOT NULL, 
	client_id TEXT NOT NULL, 
	expires FLOAT NOT NULL, 
	contact TEXT NOT NULL, 
	path TEXT NOT NULL, 
	CONSTRAINT pk_mc_user PRIMARY KEY (mc_service_id), 
	CONSTRAINT uq_mc_user_impu UNIQUE (impu)
);
CREATE INDEX ix_kms_issued_user_uri ON kms_issued (user_uri);
CREATE INDEX ix_kms_log_identity ON kms_log (identity);
CREATE INDEX ix_mc_affiliation_user ON mc_affiliation (mc_service_id);
CREATE INDEX ix_mc_delivery_user ON mc_delivery (mc_service_id);
CREATE INDEX ix_mc_delivery_open ON mc_delivery (urgency, due) WHERE state < 2;
CREATE UNIQUE INDEX ux_mc_delivery ON mc_delivery (key_id, mc_service_id);
COMMIT;
