/* Make before break: how a MuSiK follows another while the server broadcasts, messages are lost, processes die, clients
 * come late and members are removed. README.md beside this file says how it maps to the code.
 *
 * One client is looked at: any of them. What the others do shows only in when the server switches, and here it may
 * switch at any time, because a deadline may have passed.
 *
 * Two properties, checked as assertions in every reachable state:
 *   READABLE  no listener is ever without a readable key while it is served by broadcast;
 *   EXCLUDED  a removed client reads nothing that is sent after its removal was acknowledged.
 *
 * With one of these names defined a property must fail: the model can tell right from wrong.
 *   SWITCH_BLINDLY      whoever listens is served by broadcast, whatever it answered
 *   SEND_BEFORE_COMMIT  packets leave before what they rest on is in the store
 *   NO_GRACE            a client drops the old key as soon as it is given the new one
 *   LAZY_REMOVAL        the old key is sent under until the new one is distributed
 *   OFFER_TO_REMOVED    the new key is offered to a member that was removed
 *   TRUST_OLD_ANSWERS   a client that starts over is counted as a holder of what it had
 */

#define KEYS 3         /* generations: the first, and two that follow */
#define NONE 7         /* no key */

/* A set of keys is a byte of bits. */
#define in(key, set) ((set) & (1 << (key)))

/* What the server decides on, in memory and in the store. */
typedef Server {
    byte sending;               /* NONE: nothing may be broadcast */
    byte pending;               /* being distributed; NONE: nothing */
    bool member;                /* the client is entitled */
    bool listens;               /* it reported that it listens */
    byte held                   /* the keys that it answered that it holds */
}
Server memory, store;
bool dirty;                     /* the store lags behind the memory */
byte made = 1;                  /* a key ID is not used twice, crash or not */
byte crashes = 1, restarts = 1; /* bounds */

/* What the client has. */
byte readable = 0;
byte newest = 0;                /* the newest key that an authentic packet came under */
bool hears = false;             /* on the bearer, whatever the server thinks */

/* On the way to it and back. Everything may be lost; nothing is overtaken. */
chan download = [1] of { byte };
chan answer = [1] of { byte };
chan air = [2] of { byte, bool, bool };  /* key; was it served by this; was it removed before */

#ifdef SWITCH_BLINDLY
#define SERVED (memory.listens)
#else
#define SERVED (memory.listens && in(memory.sending, memory.held))
#endif

#ifdef OFFER_TO_REMOVED
#define ENTITLED true
#else
#define ENTITLED memory.member
#endif

#ifdef SEND_BEFORE_COMMIT
#define SETTLED true
#else
#define SETTLED !dirty
#endif

inline commit() {
    store.sending = memory.sending; store.pending = memory.pending;
    store.member = memory.member; store.listens = memory.listens; store.held = memory.held;
    dirty = false
}

active proctype server() {
    byte key;
    d_step { memory.sending = 0; memory.pending = NONE; memory.member = true; commit() }
    do
    /* A rotation begins: by schedule, by use or by the operator. */
    :: atomic { made < KEYS && memory.pending == NONE -> memory.pending = made; made++; dirty = true }

    /* A key is delivered until the client answers. What a download rests on is committed before it leaves. */
    :: atomic {
            ENTITLED && memory.pending != NONE && !in(memory.pending, memory.held) && !dirty ->
            download!memory.pending
        }
    :: atomic {
            ENTITLED && memory.sending != NONE && !in(memory.sending, memory.held) && !dirty ->
            download!memory.sending
        }
    :: atomic {
            answer?key ->
            if
            :: memory.member -> memory.held = memory.held | (1 << key); dirty = true
            :: else
            fi;
            key = 0
        }

    /* The switch: every listener answered, or the deadline passed. Who did not answer is served by unicast from here
     * on, because it is not SERVED by the other key. */
    :: atomic { memory.pending != NONE -> memory.sending = memory.pending; memory.pending = NONE; dirty = true }

    /* The client is removed. From here on nothing is sent under a key that it may hold. */
    :: atomic {
            memory.member && made < KEYS ->
            memory.member = false; memory.listens = false; memory.held = 0;
#ifndef LAZY_REMOVAL
            memory.sending = NONE;
#endif
            memory.pending = made; made++;
            dirty = true
        }

    /* It reports that it listens, or that it does not. */
    :: atomic { memory.member && hears && !memory.listens -> memory.listens = true; dirty = true }
    :: atomic { memory.listens -> memory.listens = false; dirty = true }

    :: d_step { dirty -> commit() }

    /* Killed: what was not committed never was. */
    :: d_step {
            crashes > 0 -> crashes--;
            memory.sending = store.sending; memory.pending = store.pending;
            memory.member = store.member; memory.listens = store.listens; memory.held = store.held;
            dirty = false
        }

    /* One packet for everyone who is on the bearer. */
    :: atomic {
            hears && memory.sending != NONE && SETTLED ->
            air!memory.sending, (SERVED != 0), !store.member
        }

    /* The client starts over with nothing. Its new registration is committed before it is answered, and closes the flow
     * of the old one: nothing that was on the way there arrives. */
    :: d_step {
            restarts > 0 && memory.member && !dirty -> restarts--;
            readable = 0; newest = 0; hears = false;
            do :: len(download) > 0 -> download?_ :: else -> break od;
            do :: len(answer) > 0 -> answer?_ :: else -> break od;
            do :: len(air) > 0 -> air?_, _, _ :: else -> break od;
#ifndef TRUST_OLD_ANSWERS
            memory.held = 0;
            memory.listens = false;
#endif
            commit()
        }
    od
}

active proctype client() {
    byte key;
    bool counts_on_it, was_removed;
    do
    :: atomic {
            download?key ->
#ifdef NO_GRACE
            readable = 1 << key;
#else
            readable = readable | (1 << key);
#endif
            if
            :: len(answer) == 0 -> answer!key
            :: true                                     /* the answer is lost */
            fi;
            key = 0
        }
    :: atomic {
            air?key, counts_on_it, was_removed ->
            assert(!counts_on_it || in(key, readable));  /* READABLE */
            assert(!was_removed || !in(key, readable));  /* EXCLUDED */
            if
            :: in(key, readable) && key > newest -> newest = key
            :: else
            fi;
            key = 0; counts_on_it = false; was_removed = false
        }

    /* Lost on the way. */
    :: download?_
    :: air?_, _, _

    /* The grace period ends: what is older than the key that packets come under is destroyed. A client that was removed
     * keeps what it can. */
    :: d_step { store.member && newest > 0 -> readable = readable & ~((1 << newest) - 1) }

    /* It comes to the bearer, late or not. Even a client that was removed can receive. */
    :: hears = true
    od
}
