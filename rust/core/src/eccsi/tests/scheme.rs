//! The vector of RFC 6507 appendix A, and what a changed signature or key gets.

use crate::eccsi::*;
use crate::error::Error;
use crate::secret::Secret;

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
        .collect()
}

const KPAK: &str = "0450d4670bde75244f28d2838a0d25558a7a72686d4522d4c8273fb6442aebfa93\
                    dbdd37551afd263b5dfd617f3960c65a8c298850ff99f20366dce7d4367217f4";
const IDENTITY: &[u8] = b"2011-02\0tel:+447700900123\0";
const PVT: &str = "04758a142779be89e829e71984cb40ef758cc4ad775fc5b9a3e1c8ed52f6fa36d9\
                   a79d247692f4eda3a6bdab77d6aa6474a464ae4934663c5265ba7018ba091f79";
const SSK: &str = "23f374ae1f4033f3e9dbddaaef20f4cf0b86bbd5a138a5ae9e7e006b34489a0d";
const MESSAGE: &[u8] = b"message\0";
const R: &str = "269d4c8fdeb66a74e4ef8c0d5dcc597ddfe6029c2affc4936008cd2cc1045d81";
const S: &str = "e09b528d0ef8d6df1aa3ecbf80110cfcec9fc68252cebb679f4134846940ccfd";

fn secret(last: &str) -> Secret {
    Secret::new(hex(&format!("{last:0>64}")))
}

fn public() -> PublicKey {
    PublicKey::new(&hex(KPAK)).unwrap()
}

fn signer() -> Signer {
    Signer::new(&public(), IDENTITY, &secret(SSK), &hex(PVT)).unwrap()
}

fn signature() -> Vec<u8> {
    [hex(R), hex(S), hex(PVT)].concat()
}

#[test]
fn appendix_a() {
    let master = MasterSecret::new(&secret("12345")).unwrap();
    assert_eq!(master.public_octets()[..], hex(KPAK));
    let key = master.extract_with(IDENTITY, &secret("23456")).unwrap();
    assert_eq!(key.pvt[..], hex(PVT));
    assert_eq!(key.ssk, secret(SSK));
    assert_eq!(
        signer().sign_with(MESSAGE, &secret("34567")).unwrap()[..],
        signature()
    );
    public().verify(IDENTITY, MESSAGE, &signature()).unwrap();
}

#[test]
fn fresh_keys_sign() {
    let master = MasterSecret::generate().unwrap();
    let public = PublicKey::new(master.public_octets()).unwrap();
    let key = master.extract(b"alice").unwrap();
    let signer = Signer::new(&public, b"alice", &key.ssk, &key.pvt).unwrap();
    let first = signer.sign(b"hello").unwrap();
    assert_ne!(first, signer.sign(b"hello").unwrap());
    public.verify(b"alice", b"hello", &first).unwrap();
    assert_eq!(
        public.verify(b"bob", b"hello", &first),
        Err(Error::Check("ECCSI signature"))
    );
    assert_eq!(
        public.verify(b"alice", b"hullo", &first),
        Err(Error::Check("ECCSI signature"))
    );
}

#[test]
fn every_changed_octet_is_refused() {
    let public = public();
    for i in 0..SIGNATURE_SIZE {
        let mut changed = signature();
        changed[i] ^= 0x40;
        assert!(matches!(
            public.verify(IDENTITY, MESSAGE, &changed),
            Err(Error::Check(_))
        ));
    }
}

#[test]
fn a_wrong_user_key_is_refused() {
    let public = public();
    let failed = Err(Error::Check("SSK and PVT"));
    assert_eq!(
        public.validate_ssk(IDENTITY, &secret(SSK), &hex(PVT)),
        Ok(())
    );
    assert_eq!(
        public.validate_ssk(IDENTITY, &secret("1"), &hex(PVT)),
        failed
    );
    assert_eq!(public.validate_ssk(b"bob", &secret(SSK), &hex(PVT)), failed);
    assert_eq!(
        public.validate_ssk(IDENTITY, &secret(SSK), &hex(KPAK)),
        failed
    );
    assert_eq!(
        public.validate_ssk(IDENTITY, &secret("0"), &hex(PVT)),
        failed
    );
}

#[test]
fn master_secrets_have_their_size_and_range() {
    assert_eq!(
        MasterSecret::new(&Secret::new(vec![1; 31])).err(),
        Some(Error::Size("KSAK", 32, 31))
    );
    assert_eq!(
        MasterSecret::new(&secret("0")).err(),
        Some(Error::Invalid("KSAK"))
    );
    assert_eq!(
        MasterSecret::new(&Secret::new(vec![0xff; 32])).err(),
        Some(Error::Invalid("KSAK"))
    );
}
