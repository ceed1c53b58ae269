"""Published values that several tests use: RFC 6507 appendix A, and Streamwide's test vectors (version 5, test 2)."""

from __future__ import annotations

from base64 import b64decode

from mcsec.crypto.eccsi import SIGNATURE_OCTETS


class Rfc6507:
    """The example of appendix A."""

    ksak = bytes.fromhex("12345".zfill(64))
    kpak = bytes.fromhex(
        "0450d4670bde75244f28d2838a0d25558a7a72686d4522d4c8273fb6442aebfa93"
        "dbdd37551afd263b5dfd617f3960c65a8c298850ff99f20366dce7d4367217f4"
    )
    identity = b"2011-02\0tel:+447700900123\0"
    v = bytes.fromhex("23456".zfill(64))
    pvt = bytes.fromhex(
        "04758a142779be89e829e71984cb40ef758cc4ad775fc5b9a3e1c8ed52f6fa36d9"
        "a79d247692f4eda3a6bdab77d6aa6474a464ae4934663c5265ba7018ba091f79"
    )
    ssk = bytes.fromhex("23f374ae1f4033f3e9dbddaaef20f4cf0b86bbd5a138a5ae9e7e006b34489a0d")
    message = b"message\0"
    j = bytes.fromhex("34567".zfill(64))
    signature = (
        bytes.fromhex(
            "269d4c8fdeb66a74e4ef8c0d5dcc597ddfe6029c2affc4936008cd2cc1045d81"
            "e09b528d0ef8d6df1aa3ecbf80110cfcec9fc68252cebb679f4134846940ccfd"
        )
        + pvt
    )


class Streamwide:
    """A CSK upload from alice to a group management server, with the receiver's keys."""

    kms_uri = "kms.mydev.streamwide.com"
    period = 16_777_215
    period_no = 236
    z = bytes.fromhex(
        "046fc2cf00fd48467abe7c02f383002fc49b6632bf0f7071d958f1f128154e6fae1f69bb91691a191a358fe647a3e020d2365d52"
        "f81fb3af4ea271654f1a880274c1ae228ac72cc15d535394321bd2143cea2619fb3b0c6ce7a5f72714d8ef4d11cb0c991c3376ca"
        "31b168b01e66021effdbf7920bd66615e6f0d6a1e61c06e72e61b4138738c11bc249a3849e9c4cff327a7d0d2769c3d97a37f86a"
        "dfb13baa257e628ce236f40360d3f7b8d95b0e3fcc19417602d7d6b8928b855eae9129be1f0b87d33e884906dd95a04a8bd61240"
        "bad60f9dfada64806726f8f08b86343f54046416f5198116e9798c218bcf9ca07d0baa4be50062bfe54e44495b6ed59cb6"
    )
    kpak = bytes.fromhex(
        "0448f9c2c48b50735f6bc70ec6691073243f1e0bd83cc73bb936d61ffcb2d6049a"
        "5b297e8205b29fbd8591cb582d6402add21451ce4beebeaaa7520e93b11cf28f"
    )
    receiver = "gms@streamwide.com"
    receiver_uid = bytes.fromhex("15a4d5b12856538d02d91fedbb766e6dd377b014c92e216666c8fb678608d20e")
    rsk = bytes.fromhex(
        "043f591611206a0913ecb68ab28e086ac1148fbd5ce4a40bf00a186653ecf6f0055f4f1b5ef8a4b527d33dd28c731c7b2829d632"
        "9283533d499b04c31e2d30437919f486ef76c8a6cbca2f279724539e52b3a1760077670fc35756a9417625d57876717811bd3f1f"
        "b8fb473b547ba874a8f5d747cd63b2ebcdb150f5b454a46ec2512a86f0672439d3121a0eddf5995f18e1c77e3423ea34427b6228"
        "1977e3afb9b5c8766c5a32e1f9b29f0bb12d46a03f8f3ec7357e59f969473bcf4d4cdc3cdedb6e7982e6477117a3c02d86165896"
        "485323c96f53a330e5e995ce83b23127542f2177916d5007a5aa116680093911d4bc587cd94e2bdec36d7290ed4f2d3998"
    )
    ssk = bytes.fromhex("2e7237faa18a874b88d955199dea974b7d0fefcbbae1946baf659b26a4d05a5e")
    pvt = bytes.fromhex(
        "0468a24d49b184d7008d22f63a415debd38bfa9295f066fa6ada5951c2322d2eca"
        "1d6f1d994f22710daef776d9c54d9a338f32395080d6f2bdffb6c7895f12cda2"
    )
    sender = "sip:alice@streamwide.com"
    sender_uid = bytes.fromhex("b5c452309219da6a3d805615548d6c1b0f4de45a6b48fb13d9a24d857fc03dc4")
    csk = bytes.fromhex("e06e65106183547342d3e8a6ce2540a8")
    csk_id = 0x2DDD5BF0
    dpck = bytes.fromhex("340e1d3cf25013a8d223e8773e6b5367")
    #: T of the message, seconds since 1900.
    ntp_time = 0xEC898DA8
    message = b64decode(
        "ARoFAS3dW/ABAgYAAQAAAAQt3VvwCwDsiY2oAAAAAA4QTRPEF5i4LeE7cBqWlzKO3Q4IAQAgtcRSMJIZ2mo9gFYVVI1sGw9N5FprSPsT"
        "2aJNhX/APcQOCQEAIBWk1bEoVlONAtkf7bt2bm3Td7AUyS4hZmbI+2eGCNIODgYBABhrbXMubXlkZXYuc3RyZWFtd2lkZS5jb20KBwEA"
        "GGttcy5teWRldi5zdHJlYW13aWRlLmNvbRoAAAAbAAEGAQEQAgEEBAEMBQEABgEAEgEEEwEAFAEQFQECAREEfQkdJ4BYO/O2WHY5cZ8H"
        "ZMAMm5n9MLxgvJCOAv+759hNMLBMPPvnEjivXxmb661AVDQ1haLXdN52IbHmBgLJTYeyPQX8CVon6WVshkoTQCMWMRND0jdyGFRlw24V"
        "GkYfL2Z+JBvta/dAy4+GZYxTsqXzF7KOqH4f2P/aY5eVHAEvwF2zwUXUB0nOIs8Jtq/7dT+hwB5/mvoQiK+uiFkdwEvltVw6ZCzpWiqO"
        "+ly/ulyhYXubtqqFOvKMWLe/dqdaEsOMmsP4ZFTsYYOCU5B9IbrQ02IZDNJlNasQNe/m5MrC5+WcZkTw54G/ViwtQlxhuoi/E8J6XL0b"
        "Y4n44uXDvmRNXMkLCsMC1y/iJVKWo9EEBwBEQwAAAAABAAAAAAABb37iYqxNp/XQanLehoFqvi3dW/AAACG8cPNwhkxPqPeos5kqzBfS"
        "M1U4vqkNYBaZK2uYKuhgCPAggdf8YqSPHsId0HAlWI2c3FevHT8Yd84XlCTMbp/Y8UE/qNnqyYDSyrpmrkj9okfl3jPsNoqzh8uddNZS"
        "TDzr5UAEJs2LCjOvmzge5T68aEGu1cHJj7DSvrnH/5jXx5gI0fVmZZ9rc1AWGS3ZmE31blTz+Vx2rEY4wfPTIo88dSyMyA=="
    )
    signed, signature = message[:-SIGNATURE_OCTETS], message[-SIGNATURE_OCTETS:]
    #: The encapsulated key: 273 octets within the message.
    sed = signed[(start := signed.index(bytes.fromhex("047d091d27"))) : start + 273]
