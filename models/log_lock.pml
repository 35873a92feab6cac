/* The log lock, small enough to look at every interleaving (docs/safety.md ties each step to the code).
 *
 * One process for each epoch: the life of a member from its claim on. Whoever claims takes the newest epoch + 1 and an
 * epoch has one owner, so the n-th claim is made by the n-th process. A crash or a pause of minutes is a process that is
 * not scheduled any more, or not for long. A position counts batches: 1 is the seal (batch 0), 1 + b the b-th batch too.
 *
 * What is wanted: everything that was ever committed lies on one history, which everything that a standby applied lies
 * on as well; who takes over finds what it applied before in what it seals; no committed byte is lost.
 *
 * Switches change the world (STORAGE_RESTARTS, FOREIGN_SYNC_VOID, CLAIMS_VANISH), the size (EPOCHS, BATCHES, FOLLOW,
 * SERIAL), or break one rule each; configurations.txt has them all. */
#ifndef EPOCHS
#define EPOCHS 3
#endif
#ifndef BATCHES
#define BATCHES 2
#endif
#define N (EPOCHS + 1)

/* ---- the volume: what a reader can see, and what survives a restart of the storage */
byte newest;          /* claims 1 .. newest are there */
byte visible[N];      /* batches in the segments of an epoch; a copied tail comes before the seal and is not counted */
byte durable[N];      /* of these, synced by the owner */
byte upto[N * N];     /* what a seal says: UPTO(e, k) batches of epoch k < e are history */
#define UPTO(e, k) upto[(e) * N + (k)]
#ifdef STORAGE_RESTARTS
byte base[N];         /* the epoch on whose files a seal stands; the rest is copied behind it */
byte base_batches[N];
bit restarted;
#endif
#ifdef DELETE_CLAIMS
byte oldest = 1;      /* claims below it were deleted */
#endif
#ifdef CLAIMS_VANISH
byte kept;            /* claims 1 .. kept are durable */
byte files;           /* owners of an epoch so far; arrays above are by owner, since an epoch may get two */
byte epoch_of[N];
byte owner[N];        /* whose nonce stands in a claim */
#define EPOCH(e) epoch_of[e]
#define SEALED(h, e) (visible[h] > 0 && EPOCH(h) < EPOCH(e))
#define NOT_SEALED(h, e) (durable[h] == 0 || EPOCH(h) >= EPOCH(e))
#else
#define EPOCH(e) e
#define SEALED(h, e) (visible[h] > 0)
#define NOT_SEALED(h, e) (durable[h] == 0)
#endif

/* ---- what leaders tell: positions in records and on the stream. Once true, always true, however late it is heard. */
byte committed[N];

/* ---- what must hold, and no process knows */
byte history[N];      /* the longest history of which anything was committed */
byte applied[N];      /* by the standby */
bit following;        /* it has not claimed yet */

/* The rules by name: always 0, they are here so that a violation says which rule it is. */
hidden byte one_history, standby_on_history, take_over_goes_on, bytes_kept, claims_without_gap;

#ifdef ONLY_AT_TAKE_OVER    /* a mistake is to be seen there, not before */
#define AT_COMMIT 1
#define WHILE_FOLLOWING 1
#else
#define AT_COMMIT one_history
#define WHILE_FOLLOWING standby_on_history
#endif

hidden byte x[N];     /* scratch, inside of a step only */
hidden byte i, j, ahead;

/* One of two histories must be the beginning of the other. Leaves in `ahead` which one is longer: 0 none, 1 a, 2 b. */
#define ONE_LINE(a, b, rule)                    \
  i = 1; ahead = 0;                             \
  do                                            \
  :: i <= EPOCHS ->                             \
     if                                         \
     :: ahead == 1 -> assert(b[i] == 0 || rule) \
     :: ahead == 2 -> assert(a[i] == 0 || rule) \
     :: ahead == 0 && a[i] > b[i] -> ahead = 1  \
     :: ahead == 0 && a[i] < b[i] -> ahead = 2  \
     :: else                                    \
     fi;                                        \
     i++                                        \
  :: else -> break                              \
  od;                                           \
  i = 0

/* x replaces what it is longer than */
#define LENGTHEN(a)                                         \
  if                                                        \
  :: ahead == 1 ->                                          \
     i = 1;                                                 \
     do :: i <= EPOCHS -> a[i] = x[i]; i++ :: else -> break od \
  :: else                                                   \
  fi;                                                       \
  i = 0; ahead = 0

/* x = the history of epoch e with its first n batches */
inline history_of(e, n) {
  i = 1;
  do
  :: i < e -> x[i] = UPTO(e, i); i++
  :: i == e -> x[i] = n; i++
  :: i > e && i <= EPOCHS -> x[i] = 0; i++
  :: i > EPOCHS -> break
  od;
  i = 0
}

inline no_byte_lost() {
#ifdef STORAGE_RESTARTS
  if
  :: restarted ->
     i = EPOCHS;
     do :: i > 0 && committed[i] == 0 -> i-- :: else -> break od;
     do
     :: i > 0 && base[i] > 0 -> assert(visible[base[i]] >= base_batches[i] || bytes_kept); i = base[i]
     :: else -> break
     od;
     i = 0
  :: else
  fi
#endif
  skip
}

/* Everything below n of epoch e may be seen by anyone from here on. */
inline commit(e, n) {
  if :: n > committed[e] -> committed[e] = n :: else fi;
  history_of(e, n);
  ONE_LINE(x, history, AT_COMMIT);
  LENGTHEN(history);
#ifdef FOLLOW
  ONE_LINE(applied, history, WHILE_FOLLOWING);
  ahead = 0;
#endif
  no_byte_lost()
}

/* ---- look-up: every claim that is there from its beginning to its end is found; others may be missed */
#ifdef DELETE_CLAIMS
#ifdef OWN_CLAIM_IGNORED
#define OWN_CLAIM_SEEN 1
#else
#define OWN_CLAIM_SEEN (oldest <= e)
#endif
#define LOOK_UP_BEGINS seen = newest; own = OWN_CLAIM_SEEN
#define FOUND_NEWER (!own || (seen > e && oldest <= seen))
#else
#define LOOK_UP_BEGINS seen = newest
#define FOUND_NEWER (seen != EPOCH(e))   /* also if the own claim is not there */
#endif
#ifdef LOOK_UP_FROM_CACHE
#undef FOUND_NEWER
#define FOUND_NEWER (0)
#endif

#ifdef SERIAL
#define MAY_WRITE(e) (committed[e] > 0 && committed[e] == durable[e])
#else
#define MAY_WRITE(e) (committed[e] > 0)
#endif

#ifdef CLAIMS_VANISH
/* Claims that are made, but not durable before their directory is synced. */
proctype Claimer() {
  byte want = 0, mine = 0;
again:
  atomic {
    want = 0; mine = 0;
    newest < EPOCHS && files < EPOCHS;
    want = newest + 1
  };
#ifndef CLAIM_BEFORE_NOT_SYNCED
  kept = newest;                  /* by syncing the directory */
#ifndef NOT_LISTED_AFTER_SYNC
  if :: newest != want - 1 -> goto again :: else fi;
#endif
#endif
  atomic {
    if
    :: newest >= want || files == EPOCHS -> goto again
    :: else
    fi;
    assert(newest == want - 1 || claims_without_gap);   /* a gap: nobody could ever claim again */
    files++;
    mine = files;
    newest = want;
    epoch_of[mine] = want;
    owner[want] = mine
  };
#ifndef CLAIM_NOT_SYNCED
  kept = newest;
#endif
#ifndef CLAIM_NOT_READ_BACK
  if :: newest < want || owner[want] != mine -> goto again :: else fi;
#endif
  atomic { run Member(mine); goto again }
}
#endif

proctype Member(byte e) {
  byte h = 0, n = 0;      /* the epoch read, and how many batches of it were there */
  byte covers = 0, seen = 0;
  bit looking = 0;
#ifdef DELETE_CLAIMS
  bit own = 0;
#endif
#ifdef FOLLOW
  bit standby = 0;        /* this is the member whose applied inputs are watched */
#endif

  /* claim */
#ifdef CLAIMS_VANISH
  h = e - 1;
#else
  atomic {
    newest == e - 1;
    newest = e;
#ifdef FOLLOW
    if :: following -> following = 0; standby = 1 :: skip fi;
#endif
    h = e - 1
  };
#endif

  /* re-open: from the newest epoch downward, the first one with a valid seal. One that is not durable yet may show or not. */
  do
  :: atomic { h > 0 && NOT_SEALED(h, e) -> h-- }
  :: atomic { h == 0 || SEALED(h, e) -> break }
  od;

#ifdef CLAIMS_VANISH
  /* two owners of one epoch: damage, nothing is decided from such a log */
  atomic {
    j = 1;
    do
    :: j <= files && !(j != h && h > 0 && EPOCH(j) == EPOCH(h) && visible[j] > 0) -> j++
    :: else -> break
    od;
    if :: j <= files -> j = 0; h = 0; goto stopped :: else fi;
    j = 0
  };
#endif

  /* copy: read it to its end. The last record may be torn. */
  n = visible[h];
  if
  :: atomic { n > durable[h] -> n-- }
#ifdef STALE_READ
  :: atomic { n > 1 -> n-- }
#endif
  :: skip
  fi;
#ifdef SYNC_BASE
  /* not copied: the predecessor's file is synced instead */
#ifndef FOREIGN_SYNC_VOID
  d_step { if :: n <= visible[h] && n > durable[h] -> durable[h] = n :: else fi };
#endif
#endif

  /* seal */
#ifdef SEAL_FIRST
  d_step {
    j = 1;
    do
    :: j < e -> UPTO(e, j) = (j < h -> UPTO(h, j) : ((j == h && n > 0) -> n - 1 : 0)); j++
    :: else -> break
    od;
    j = 0; visible[e] = 1
  };
#endif
  d_step {
    j = 1;
    do
    :: j < e -> UPTO(e, j) = (j < h -> UPTO(h, j) : (j == h -> n : 0)); j++
    :: else -> break
    od;
#ifdef TAIL_NOT_COPIED
    if :: h > 0 && n > 1 -> UPTO(e, h) = n - 1 :: else fi;
#endif
#if defined(FOLLOW) && defined(SEAL_WHAT_WAS_APPLIED)
    if :: standby -> j = 1; do :: j < e -> UPTO(e, j) = applied[j]; j++ :: else -> break od :: else fi;
#endif
    j = 0;
#ifdef STORAGE_RESTARTS
#ifdef SYNC_BASE
    base[e] = h; base_batches[e] = n;
#else
    /* the last record read states all before it as durable; if that is nothing, the whole epoch is copied */
    if
    :: n > 1 -> base[e] = h; base_batches[e] = n - 1
    :: else -> base[e] = base[h]; base_batches[e] = base_batches[h]
    fi;
#endif
#endif
    visible[e] = 1;
#ifdef FOLLOW
    if
    :: standby ->   /* what it applied it does not read again: it must be the beginning of what it seals */
       history_of(e, 1);
       ONE_LINE(applied, x, take_over_goes_on);
       assert(ahead != 1 || take_over_goes_on);
       ahead = 0
    :: else
    fi;
    standby = 0;
#endif
    h = 0; n = 0
  };
  d_step { visible[e] = 1; durable[e] = 1 };
#ifdef SEAL_NOT_CONFIRMED
  d_step { commit(e, 1) };
#endif

  /* lead: one write in flight, look-ups beside it. A record states what is durable before it. */
  do
  :: d_step {
       visible[e] == durable[e] && visible[e] <= BATCHES && MAY_WRITE(e) -> visible[e] = visible[e] + 1
     }
  :: d_step {
       visible[e] > durable[e] -> durable[e] = visible[e];
#ifdef COMMIT_AT_DURABLE
       commit(e, durable[e])
#endif
     }
  :: d_step { !looking && durable[e] > committed[e] -> looking = 1; covers = durable[e]; LOOK_UP_BEGINS }
  :: atomic { looking && FOUND_NEWER -> looking = 0; covers = 0; seen = 0; break }
  :: d_step {
       looking && !FOUND_NEWER ->
#ifdef COVERS_LATER_SYNCS
       covers = durable[e];
#endif
       commit(e, covers); looking = 0; covers = 0; seen = 0
     }
  od;
stopped:
  skip
}

#ifdef FOLLOW
/* Hears a position, and applies up to it from the files: at once, or when everything is long different. */
proctype Standby() {
  byte s = 0, n = 0;
  do
  :: atomic {
       following && s == 0;
       s = 1; do :: s < newest -> s++ :: break od;
#ifdef BELIEVE_VISIBLE_SEAL
       visible[s] > 0
#else
       committed[s] > 0
#endif
       ->
#if defined(APPLY_VISIBLE)
       n = visible[s]
#elif defined(APPLY_DURABLE)
       n = visible[s] - 1       /* the last record states what is durable before it */
#elif defined(STREAM_SAYS_DURABLE)
       n = durable[s]
#else
       n = committed[s]
#endif
#ifdef BELIEVE_VISIBLE_SEAL
       ; if :: n == 0 -> n = 1 :: else fi
#endif
     }
  :: d_step {
       following && s > 0 ->
#ifdef POSITION_WITHOUT_EPOCH
       s = newest; do :: s > 0 && committed[s] == 0 -> s-- :: else -> break od;
#endif
       if :: n > visible[s] -> n = visible[s] :: else fi;
       history_of(s, n);
       ONE_LINE(x, applied, WHILE_FOLLOWING);
       LENGTHEN(applied);
#ifdef FOLLOW
       ONE_LINE(applied, history, WHILE_FOLLOWING);
       ahead = 0;
#endif
       s = 0; n = 0
     }
  od
}
#endif

#ifdef STORAGE_RESTARTS
/* Once, the storage forgets what was not synced, and every client lives on. */
proctype Storage() {
  d_step {
    j = 1;
    do
    :: j <= EPOCHS -> visible[j] = durable[j]; j++
    :: else -> break
    od;
#ifdef CLAIMS_VANISH
    newest = kept;
#endif
    j = 0; restarted = 1;
    no_byte_lost()
  }
}
#endif

#ifdef DELETE_CLAIMS
proctype Sweeper() {
  do :: d_step { oldest < newest -> oldest++ } od
}
#endif

init {
  atomic {
    j = 1;
#ifdef CLAIMS_VANISH
    /* epoch 1 was claimed long ago; two members contend for what comes */
    newest = 1; kept = 1; files = 1; epoch_of[1] = 1; owner[1] = 1;
    run Member(1); run Claimer(); run Claimer();
#else
    do :: j <= EPOCHS -> run Member(j); j++ :: else -> break od;
#endif
    j = 0;
#ifdef FOLLOW
    following = 1;
    run Standby();
#endif
#ifdef STORAGE_RESTARTS
    run Storage();
#endif
#ifdef DELETE_CLAIMS
    run Sweeper();
#endif
  }
}
