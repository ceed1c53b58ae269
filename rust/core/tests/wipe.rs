//! Freed memory holds no key octets: an allocator that looks at every block before it goes back.
//!
//! An allocator cannot be written without unsafe code: this file forwards to the system's and reads the block that is
//! being freed, which is still the caller's at that moment.

#![allow(unsafe_code, reason = "GlobalAlloc is an unsafe trait")]
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use mcsec_core::eccsi::{MasterSecret, PublicKey, Signer};
use mcsec_core::kdf;
use mcsec_core::secret::Secret;

/// What the test's keys are made of: no other memory holds it by chance.
const MARK: [u8; 16] = *b"\x5a\xc3mark of a key\xff";

static SEEN: AtomicUsize = AtomicUsize::new(0);

struct Watching;

unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Zeroed, so that octets which were never written can be read.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let octets = unsafe { core::slice::from_raw_parts(block, layout.size()) };
        if octets.windows(MARK.len()).any(|window| window == MARK) {
            SEEN.fetch_add(1, Ordering::Relaxed);
        }
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// How many blocks with key octets `work` gave back.
fn leaks(work: impl FnOnce()) -> usize {
    let before = SEEN.load(Ordering::Relaxed);
    work();
    SEEN.load(Ordering::Relaxed) - before
}

fn marked() -> Secret {
    Secret::new([MARK, MARK].concat())
}

/// One test, because the count is one for the whole process.
#[test]
fn freed_memory_holds_no_key() {
    assert_eq!(
        leaks(|| drop(MARK.to_vec())),
        1,
        "the allocator sees what is not wiped"
    );

    assert_eq!(leaks(|| drop(marked())), 0);
    assert_eq!(leaks(|| drop(marked().clone())), 0);
    assert_eq!(leaks(|| drop(marked().head(20).unwrap())), 0);
    assert_eq!(leaks(|| drop(marked().tail(20).unwrap())), 0);

    // KSAK is the mark: neither the import, nor the export, nor an extraction may leave it behind.
    assert_eq!(
        leaks(|| {
            let master = MasterSecret::new(&marked()).unwrap();
            assert_eq!(master.export(), marked());
            master.extract(b"alice").unwrap();
        }),
        0
    );

    // A refused SSK is not left behind either.
    assert_eq!(
        leaks(|| {
            let master = MasterSecret::generate().unwrap();
            let public = PublicKey::new(master.public_octets()).unwrap();
            let pvt = master.extract(b"alice").unwrap().pvt;
            assert!(Signer::new(&public, b"alice", &marked(), &pvt).is_err());
        }),
        0
    );

    assert_eq!(
        leaks(|| {
            kdf::mikey_prf(&marked(), b"label", 16).unwrap();
            kdf::kdf(&marked(), 0x50, &[b"sip:alice@example.org"]).unwrap();
        }),
        0
    );
}
