//! Private operations on secrets that valgrind takes for undefined memory.
//!
//! Memcheck reports every branch and every address that depends on undefined memory. So under it this program shows
//! where the core branches or indexes on a secret; `tests/interop/test_constant_time.py` reads the reports. Reading
//! memory that was never written is the point, and cannot be said without unsafe code: the octets are read with
//! volatile reads and cancel each other, so their values do not matter.

#![allow(unsafe_code, reason = "undefined octets come from the allocator only")]

use std::alloc::{Layout, alloc, dealloc};
use std::hint::black_box;

use mcsec_core::eccsi::{MasterSecret, PublicKey, Signer};
use mcsec_core::error::{Error, Result};
use mcsec_core::kdf;
use mcsec_core::secret::Secret;

/// A secret with these octets, all of them undefined to memcheck.
fn undefined(octets: &[u8]) -> Secret {
    let layout = Layout::new::<[u8; 64]>();
    // Safety: the block is as large as the layout says, is read before it is freed, and octets have no invalid values.
    let tainted = unsafe {
        let block = black_box(alloc(layout));
        let noise = || block.read_volatile();
        let tainted = octets
            .iter()
            .map(|octet| octet.wrapping_add(noise()).wrapping_sub(noise()))
            .collect();
        dealloc(block, layout);
        tainted
    };
    Secret::new(tainted)
}

fn eccsi() -> Result<()> {
    let (ksak, v, j) = ([0x11; 32], [0x22; 32], [0x33; 32]);
    let master = MasterSecret::new(&Secret::new(ksak.to_vec()))?;
    let public = PublicKey::new(master.public_octets())?;
    let key = master.extract_with(b"alice", &Secret::new(v.to_vec()))?;

    let secret_master = MasterSecret::new(&undefined(&ksak))?;
    black_box(secret_master.extract_with(b"alice", &undefined(&v))?);
    black_box(secret_master.export());

    let signer = Signer::new(&public, b"alice", &undefined(key.ssk.expose()), &key.pvt)?;
    black_box(signer.sign_with(b"hello", &undefined(&j))?);
    black_box(signer.sign(b"hello")?);
    Ok(())
}

fn derivations() -> Result<()> {
    let key = undefined(&[0x44; 16]);
    black_box(kdf::mikey_prf(&key, b"label", 16)?);
    black_box(kdf::kdf(&key, 0x50, &[b"sip:alice@example.org"])?);
    black_box(key.tail(4)?);
    Ok(())
}

/// What must be found, so that silence elsewhere means something.
fn leak() -> Result<()> {
    let key = undefined(&[0x55; 16]);
    black_box(if key.expose()[3] > 9 {
        black_box(1)
    } else {
        black_box(2)
    });
    Ok(())
}

fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("eccsi") => eccsi(),
        Some("derivations") => derivations(),
        Some("leak") => leak(),
        _ => Err(Error::Invalid("argument: eccsi, derivations or leak")),
    }
}
