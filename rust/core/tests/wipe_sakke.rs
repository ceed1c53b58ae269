//! Freed memory holds no SAKKE secret: an allocator that looks at every block before it goes back.
//!
//! An allocator cannot be written without unsafe code: this file forwards to the system's and reads the block that is
//! being freed, which is still the caller's at that moment.

#![allow(unsafe_code, reason = "GlobalAlloc is an unsafe trait")]
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use mcsec_core::sakke::{MasterSecret, PublicKey, Receiver};
use mcsec_core::secret::Secret;

const SSV: [u8; 16] = *b"\x5a\xc3mark of a key\xff";
const IDENTITY: &[u8] = b"alice";

/// Octets that no freed block may hold.
static WANTED: OnceLock<Vec<[u8; 16]>> = OnceLock::new();
static SEEN: AtomicUsize = AtomicUsize::new(0);

struct Watching;

unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Zeroed, so that octets which were never written can be read.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(wanted) = WANTED.get() {
            let octets = unsafe { core::slice::from_raw_parts(block, layout.size()) };
            if octets
                .windows(16)
                .any(|window| wanted.iter().any(|wanted| wanted == window))
            {
                SEEN.fetch_add(1, Ordering::Relaxed);
            }
        }
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// How many blocks with secrets `work` gave back.
fn leaks(work: impl FnOnce()) -> usize {
    let before = SEEN.load(Ordering::Relaxed);
    work();
    SEEN.load(Ordering::Relaxed) - before
}

/// One test, because the count is one for the whole process.
#[test]
fn freed_memory_holds_no_secret() {
    let master = MasterSecret::generate().unwrap();
    let public = PublicKey::new(master.public_octets(), 5).unwrap();
    let rsk = master.extract(IDENTITY).unwrap();
    let ssv = Secret::new(SSV.to_vec());
    let z = master.export();
    let mut wanted = vec![SSV];
    for octets in [&rsk.expose()[1..129], &rsk.expose()[129..], z.expose()] {
        let last: [u8; 16] = octets[112..].try_into().unwrap();
        // As octets are sent, and as limbs are stored.
        wanted.push(last);
        wanted.push(core::array::from_fn(|i| last[15 - i]));
    }
    WANTED.set(wanted).unwrap();

    assert_eq!(
        leaks(|| drop(SSV.to_vec())),
        1,
        "the allocator sees what is not wiped"
    );
    let sed = public.encapsulate(IDENTITY, &ssv).unwrap();
    let many: Vec<[u8; 1]> = (0..20).map(|i| [i]).collect();
    let found = leaks(|| {
        public.encapsulate(IDENTITY, &ssv).unwrap();
        public.encapsulate_many(&many, &ssv, 1).unwrap();
    });
    assert_eq!(found, 0, "encapsulation");
    let found = leaks(|| {
        MasterSecret::new(&z).unwrap();
        drop(master.export());
        let all: Vec<&[u8]> = vec![IDENTITY; 9];
        master.extract_many(&all).unwrap();
        master.extract(IDENTITY).unwrap();
    });
    assert_eq!(found, 0, "extraction");
    let found = leaks(|| {
        public.validate_rsk(IDENTITY, &rsk).unwrap();
        let receiver = Receiver::new(&public, IDENTITY, &rsk).unwrap();
        assert_eq!(receiver.decapsulate(&sed, true).unwrap(), ssv);
        let receiver = Receiver::compact(&public, IDENTITY, &rsk).unwrap();
        assert_eq!(receiver.decapsulate(&sed, true).unwrap(), ssv);
    });
    assert_eq!(found, 0, "decapsulation");
}
