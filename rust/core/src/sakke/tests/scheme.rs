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
    let public = PublicKey::new(&unhex(RFC_PUBLIC), 4).unwrap();
    let sed = public.encapsulate(&identity, &secret(RFC_SSV)).unwrap();
    assert_eq!(sed, unhex(RFC_SED));
    let receiver = Receiver::new(&public, &identity, &secret(RFC_RSK)).unwrap();
    assert_eq!(receiver.decapsulate(&sed, false).unwrap(), secret(RFC_SSV));
}

#[test]
fn streamwide_vector() {
    let public = PublicKey::new(&unhex(STREAMWIDE_PUBLIC), 3).unwrap();
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
}
