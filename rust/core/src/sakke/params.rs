//! Parameter set 1 of RFC 6509 Appendix A: the curve y^2 = x^3 - 3x over F_p, p = 3 mod 4, p + 1 = 4q.
//!
//! Limbs are 64 bits each, least significant first.

use super::uint::Limbs;

/// The prime of the field.
pub(crate) const P: Limbs = [
    0x666d_807a_fea8_5feb,
    0x80c5_df10_ac7a_ce87,
    0xfce3_e823_8985_7db0,
    0x9f94_d6af_5697_1f1f,
    0xa7cf_3c52_1c3c_09aa,
    0xb6af_f4a8_3185_2a82,
    0x512a_c5cd_6568_1ce1,
    0xe26c_6487_326b_4cd4,
    0x356d_27f4_a666_a6d0,
    0xe791_b39f_f7c8_8a19,
    0x2287_30d5_31a5_9cb0,
    0xf40a_ab27_e2fc_0f1b,
    0xbe9a_e358_b3e0_1a2e,
    0x416c_0ce1_9cb4_8261,
    0x65c6_1198_dad0_657a,
    0x997a_bb1f_0a56_3fda,
];

/// The order of the base point, (p + 1) / 4.
pub(crate) const Q: Limbs = [
    0xd99b_601e_bfaa_17fb,
    0x2031_77c4_2b1e_b3a1,
    0xff38_fa08_e261_5f6c,
    0xa7e5_35ab_d5a5_c7c7,
    0xa9f3_cf14_870f_026a,
    0x6dab_fd2a_0c61_4aa0,
    0x144a_b173_595a_0738,
    0x389b_1921_cc9a_d335,
    0x4d5b_49fd_2999_a9b4,
    0x39e4_6ce7_fdf2_2286,
    0xc8a1_cc35_4c69_672c,
    0xbd02_aac9_f8bf_03c6,
    0x6fa6_b8d6_2cf8_068b,
    0x905b_0338_672d_2098,
    0x9971_8466_36b4_195e,
    0x265e_aec7_c295_8ff6,
];

/// x of the base point.
pub(crate) const BASE_X: Limbs = [
    0x880d_c8ab_eae6_3895,
    0x80ec_46c4_967e_0979,
    0xee91_63a5_b63f_73ec,
    0xd5cf_b4cc_8072_8d87,
    0xa7c1_514d_ba66_910d,
    0xa702_c339_7a60_de74,
    0x337c_8654_8b72_f2e1,
    0x9760_af76_5dd5_bccb,
    0x718b_d9e7_406c_e890,
    0x43d5_f22c_db9d_fa55,
    0xab10_db90_30b0_9e10,
    0xb5ed_b6c0_f6ce_2308,
    0x98b2_f204_b6ff_7cbf,
    0x2b1a_2fd6_0aec_69c6,
    0x0a79_9005_3ed9_b52a,
    0x53fc_09ee_332c_29ad,
];

/// y of the base point.
pub(crate) const BASE_Y: Limbs = [
    0x7557_3fd7_1bef_16d7,
    0xadb9_b570_6a67_dcde,
    0x80bd_ad5a_d5bb_4636,
    0x1351_5ad7_e9cb_99a9,
    0x492d_979f_c5a4_d5f2,
    0xac6f_1e80_164a_a989,
    0xcad6_96b5_b765_2fe0,
    0x70da_e117_ad54_7c6c,
    0x416c_ff0c_a9e0_32b9,
    0x6b59_8ccf_9a14_0b2e,
    0xe7f7_f5e5_f0de_55f6,
    0xf5ea_69f4_654e_c2b9,
    0x3d77_8d82_1e14_1178,
    0xd3e8_2016_0299_0696,
    0xf9f1_f053_3634_a135,
    0x0a82_4906_3f60_09f1,
];

/// g = pairing(P, P), written as b/a of a + b*i.
pub(crate) const G: Limbs = [
    0xcde0_fab3_6461_ea46,
    0x3c8c_ae87_b7a0_042a,
    0xe372_0f20_b9b7_b040,
    0xd682_c033_a794_2bcc,
    0xb4f1_a32b_cafa_1ffa,
    0x55df_0460_b4a9_fd74,
    0xb99d_fb01_38c7_8433,
    0xee0f_aed1_828e_ab90,
    0x7072_da8f_5417_21be,
    0xcbfd_a85d_5d00_ef57,
    0x449a_e956_3f8b_c446,
    0x371e_9474_4c96_feda,
    0x27fa_be65_8e01_5a87,
    0xc6a8_7bd1_fb94_c41e,
    0x148f_1586_7d62_3068,
    0x66fc_2a43_2b6e_a392,
];
