//! Vectors, round trips and refusals.

use super::super::{MasterSecret, PublicKey, Receiver};
use super::vectors::*;
use crate::error::Error;
use crate::secret::Secret;

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
        .collect()
}

fn secret(text: &str) -> Secret {
    Secret::new(unhex(text))
}

#[test]
fn rfc_6508_vector() {
    let identity = unhex(RFC_IDENTITY);
    let master = MasterSecret::new(&secret(RFC_MASTER)).unwrap();
    assert_eq!(master.public_octets()[..], unhex(RFC_PUBLIC));
    assert_eq!(master.extract(&identity).unwrap(), secret(RFC_RSK));
    let public = PublicKey::new(&unhex(RFC_PUBLIC), 5).unwrap();
    let sed = public.encapsulate(&identity, &secret(RFC_SSV)).unwrap();
    assert_eq!(sed, unhex(RFC_SED));
    let rsk = secret(RFC_RSK);
    for receiver in [
        Receiver::new(&public, &identity, &rsk).unwrap(),
        Receiver::compact(&public, &identity, &rsk).unwrap(),
    ] {
        assert_eq!(receiver.decapsulate(&sed, false).unwrap(), secret(RFC_SSV));
    }
}

#[test]
fn streamwide_vector() {
    let public = PublicKey::new(&unhex(STREAMWIDE_PUBLIC), 6).unwrap();
    let identity = unhex(STREAMWIDE_IDENTITY);
    let receiver = Receiver::new(&public, &identity, &secret(STREAMWIDE_RSK)).unwrap();
    let sed = unhex(STREAMWIDE_SED);
    assert_eq!(
        receiver.decapsulate(&sed, false).unwrap(),
        secret(STREAMWIDE_CSK)
    );
    let mut bent = sed;
    bent[272] ^= 1;
    assert_eq!(
        receiver.decapsulate(&bent, true).unwrap_err(),
        Error::Check("R")
    );
}

#[test]
fn keys_of_many_identities_are_those_of_each() {
    let master = MasterSecret::new(&secret(RFC_MASTER)).unwrap();
    let identities = [unhex(RFC_IDENTITY), vec![7; 32], vec![0xff; 32]];
    let keys = master.extract_many(&identities).unwrap();
    assert_eq!(keys[0], secret(RFC_RSK));
    for (identity, key) in identities.iter().zip(&keys) {
        assert_eq!(&master.extract(identity).unwrap(), key);
    }
    assert!(master.extract_many::<&[u8]>(&[]).unwrap().is_empty());
    let many: Vec<Vec<u8>> = (0..20).map(|i| vec![i; 32]).collect();
    for (identity, key) in many.iter().zip(master.extract_many(&many).unwrap()) {
        assert_eq!(master.extract(identity).unwrap(), key);
    }
}

#[test]
fn magnitudes_hold() {
    for width in 5..=8 {
        crate::sakke::engine::check_magnitudes(width).unwrap();
    }
}

#[test]
fn instructions_agree() {
    use crate::sakke::Instructions::{Best, Portable};
    let master = MasterSecret::generate().unwrap();
    let ssv = Secret::random(16).unwrap();
    let identities: Vec<Vec<u8>> = (0..21u8).map(|i| vec![i; 32]).collect();
    let mut first: Option<Vec<Vec<u8>>> = None;
    for (bits, instructions) in [(5, Portable), (5, Best), (6, Best), (7, Best), (8, Best)] {
        let public =
            PublicKey::with_instructions(master.public_octets(), bits, instructions).unwrap();
        let many = public.encapsulate_many(&identities, &ssv, 1).unwrap();
        for (identity, sed) in identities.iter().zip(&many).take(3) {
            assert_eq!(*sed, public.encapsulate(identity, &ssv).unwrap());
            let receiver =
                Receiver::new(&public, identity, &master.extract(identity).unwrap()).unwrap();
            assert_eq!(receiver.decapsulate(sed, false).unwrap(), ssv);
        }
        assert_eq!(many, *first.get_or_insert_with(|| many.clone()));
    }
}
