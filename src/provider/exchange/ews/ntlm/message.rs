//! The three messages of NTLM ([MS-NLMP] 2.2.1) and what is computed for them: NTLMv2 alone, with a message integrity code and channel
//! bindings. Nothing is sealed afterwards, so no session key is exchanged; all that is signed is SPNEGO's list of mechanisms.

use hmac::{Hmac, KeyInit, Mac};
use md4::{Digest, Md4};
use md5::Md5;
use zeroize::Zeroizing;

use super::Login;

const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";
/// Unicode, the server's name, signatures, NTLM, always sign, NTLMv2 session security, target information, version, 128 and 56 bits.
const FLAGS: u32 = 0x1 | 0x4 | 0x10 | 0x200 | 0x8000 | 0x8_0000 | 0x80_0000 | 0x200_0000 | 0x2000_0000 | 0x8000_0000;
/// Windows 10, revision 15 ([MS-NLMP] 2.2.2.10). Servers only log it.
const VERSION: [u8; 8] = [10, 0, 0x61, 0x4a, 0, 0, 0, 15];

/// Ids of attributes ([MS-NLMP] 2.2.2.1).
const END: u16 = 0;
const FLAGS_ATTRIBUTE: u16 = 6;
const TIMESTAMP: u16 = 7;
const TARGET_NAME: u16 = 9;
const CHANNEL_BINDINGS: u16 = 10;
/// In [`FLAGS_ATTRIBUTE`]: a message integrity code is there.
const MIC_PROVIDED: u32 = 2;

/// Where the message integrity code is in the third message, and where the payload begins.
const MIC_AT: usize = 72;
const PAYLOAD_AT: usize = 88;

/// The first message: what this side can do. It says nothing about the login.
pub(super) fn negotiate() -> Vec<u8> {
    let mut message = SIGNATURE.to_vec();
    message.extend(1_u32.to_le_bytes());
    message.extend(FLAGS.to_le_bytes());
    // Neither domain nor workstation are told.
    message.extend([0; 16]);
    message.extend(VERSION);
    message
}

/// The second message, from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    raw: Vec<u8>,
    flags: u32,
    nonce: [u8; 8],
    attributes: Vec<(u16, Vec<u8>)>,
}

impl Challenge {
    /// Reads it. `None` for anything else.
    pub(super) fn parse(raw: &[u8]) -> Option<Self> {
        if raw.get(..8)? != SIGNATURE || u32_at(raw, 8)? != 2 {
            return None;
        }
        let mut attributes = Vec::new();
        let length = usize::from(u16_at(raw, 40)?);
        let from = usize::try_from(u32_at(raw, 44)?).ok()?;
        let mut info = raw.get(from..from.checked_add(length)?)?;
        while info.len() >= 4 {
            let (id, length) = (u16_at(info, 0)?, usize::from(u16_at(info, 2)?));
            if id == END {
                break;
            }
            attributes.push((id, info.get(4..4 + length)?.to_vec()));
            info = &info[4 + length..];
        }
        Some(Self {
            raw: raw.to_vec(),
            flags: u32_at(raw, 20)?,
            nonce: raw.get(24..32)?.try_into().ok()?,
            attributes,
        })
    }
}

/// The third message, and what follows from it.
pub(super) struct Proof {
    /// The message.
    pub(super) message: Zeroizing<Vec<u8>>,
    session_key: Zeroizing<[u8; 16]>,
}

impl Proof {
    /// The first signature that this side makes ([MS-NLMP] 3.4.4.2, without key exchange).
    pub(super) fn sign(&self, text: &[u8]) -> [u8; 16] {
        let mut hash = Md5::new();
        hash.update(*self.session_key);
        hash.update(b"session key to client-to-server signing key magic constant\0");
        let key: Zeroizing<[u8; 16]> = Zeroizing::new(hash.finalize().into());
        let code = hmac_md5(&*key, &[&[0; 4], text]);
        let mut signature = [0; 16];
        signature[0] = 1;
        signature[4..12].copy_from_slice(&code[..8]);
        signature
    }
}

/// The third message: proves the login to the server that sent this challenge over this very TLS connection. The nonce is random.
pub(super) fn authenticate(negotiate: &[u8], challenge: &Challenge, login: &Login<'_>, nonce: [u8; 8]) -> Proof {
    let (domain, user) = login.username.split_once('\\').unwrap_or(("", login.username));
    let key = response_key(user, domain, login.password);
    let timestamp = challenge
        .attributes
        .iter()
        .find(|(id, _)| *id == TIMESTAMP)
        .map(|(_, value)| value.as_slice());
    let with_mic = timestamp.is_some();
    let info = target_info(challenge, login, with_mic);
    let mut proven = vec![1, 1, 0, 0, 0, 0, 0, 0];
    // Servers since Windows Vista tell the time; those before do not look at it.
    proven.extend(timestamp.filter(|value| value.len() == 8).unwrap_or(&[0; 8]));
    proven.extend(nonce);
    proven.extend([0; 4]);
    proven.extend(&info);
    proven.extend([0; 4]);
    let proof = hmac_md5(&*key, &[&challenge.nonce, &proven]);
    let session_key = Zeroizing::new(hmac_md5(&*key, &[&proof]));
    let nt_response = [&proof[..], &proven].concat();
    let lm_response = if with_mic {
        vec![0; 24]
    } else {
        let proof = hmac_md5(&*key, &[&challenge.nonce, &nonce]);
        [&proof[..], &nonce].concat()
    };
    let fields = [lm_response, nt_response, utf16(domain), utf16(user), Vec::new(), Vec::new()];
    let mut message = SIGNATURE.to_vec();
    message.extend(3_u32.to_le_bytes());
    let mut at = PAYLOAD_AT;
    for field in &fields {
        let length = u16::try_from(field.len()).unwrap_or(u16::MAX).to_le_bytes();
        message.extend([length, length].concat());
        message.extend(u32::try_from(at).unwrap_or(u32::MAX).to_le_bytes());
        at += field.len();
    }
    message.extend((FLAGS & (challenge.flags | 0x200_0000)).to_le_bytes());
    message.extend(VERSION);
    message.extend([0; 16]);
    for field in &fields {
        message.extend(field);
    }
    if with_mic {
        let code = hmac_md5(&*session_key, &[negotiate, &challenge.raw, &message]);
        message[MIC_AT..PAYLOAD_AT].copy_from_slice(&code);
    }
    Proof {
        message: Zeroizing::new(message),
        session_key,
    }
}

/// The challenge's attributes with what binds the answer to this server and this connection.
fn target_info(challenge: &Challenge, login: &Login<'_>, with_mic: bool) -> Vec<u8> {
    let mut attributes = challenge.attributes.clone();
    attributes.retain(|(id, _)| !matches!(*id, FLAGS_ATTRIBUTE | TARGET_NAME | CHANNEL_BINDINGS));
    let stated = challenge.attributes.iter().find(|(id, _)| *id == FLAGS_ATTRIBUTE);
    let stated = stated.and_then(|(_, value)| u32_at(value, 0)).unwrap_or(0);
    let flags = if with_mic { stated | MIC_PROVIDED } else { stated };
    attributes.push((FLAGS_ATTRIBUTE, flags.to_le_bytes().to_vec()));
    let bindings = login.certificate.map_or([0; 16], channel_bindings);
    attributes.push((CHANNEL_BINDINGS, bindings.to_vec()));
    attributes.push((TARGET_NAME, utf16(&format!("HTTP/{}", login.host))));
    attributes.push((END, Vec::new()));
    let mut info = Vec::new();
    for (id, value) in attributes {
        info.extend(id.to_le_bytes());
        info.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
        info.extend(value);
    }
    info
}

/// The hash of the channel bindings of a certificate's hash: a `gss_channel_bindings_struct` without addresses (RFC 2744 §3.11).
fn channel_bindings(certificate: &[u8]) -> [u8; 16] {
    let data = [b"tls-server-end-point:", certificate].concat();
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut hash = Md5::new();
    hash.update([0; 16]);
    hash.update(length.to_le_bytes());
    hash.update(&data);
    hash.finalize().into()
}

/// NTOWFv2 ([MS-NLMP] 3.3.2).
fn response_key(user: &str, domain: &str, password: &str) -> Zeroizing<[u8; 16]> {
    let password = Zeroizing::new(utf16(password));
    let hash: Zeroizing<[u8; 16]> = Zeroizing::new(Md4::digest(&*password).into());
    let identity = utf16(&(user.to_uppercase() + domain));
    Zeroizing::new(hmac_md5(&*hash, &[&identity]))
}

fn hmac_md5(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let mut mac = Hmac::<Md5>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn utf16(text: &str) -> Vec<u8> {
    // At once as long as it can become: growing would leave pieces of passwords behind.
    let mut out = Vec::with_capacity(text.len() * 2);
    out.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    out
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(pair).collect()
    }

    /// The user, domain and password of [MS-NLMP] 4.2.1.
    #[test]
    fn keys_are_those_of_the_specification() {
        // 4.2.4.1.1
        let key = response_key("User", "Domain", "Password");
        assert_eq!(key.to_vec(), hex("0c868a403bfd7a93a3001ef22ef02e3f"));
        // 4.2.4.2.1: LMv2, of the server's and the client's nonce.
        let (server, client) = (hex("0123456789abcdef"), hex("aaaaaaaaaaaaaaaa"));
        assert_eq!(
            hmac_md5(&*key, &[&server, &client]).to_vec(),
            hex("86c35097ac9cec102554764a57cccc19")
        );
        // 4.2.4.1.3 and 4.2.4.2.2: temp, NTProofStr, session key (4.2.4.1.2).
        let info = hex("02000c0044006f006d00610069006e0001000c005300650072007600650072000000 0000");
        let mut temp = hex("0101000000000000 0000000000000000 aaaaaaaaaaaaaaaa 00000000");
        temp.extend(&info);
        temp.extend([0; 4]);
        // The specification's temp has the terminator of the attributes and four further zeros.
        let proof = hmac_md5(&*key, &[&server, &temp]);
        assert_eq!(proof.to_vec(), hex("68cd0ab851e51c96aabc927bebef6a1c"));
        assert_eq!(hmac_md5(&*key, &[&proof]).to_vec(), hex("8de40ccadbc14a82f15cb0ad0de95ca3"));
    }

    fn challenge(with_time: bool) -> Challenge {
        let mut info = hex("02000c0044006f006d00610069006e00");
        if with_time {
            info.extend(hex("0700080000112233445566ff"));
        }
        info.extend([0; 4]);
        let mut raw = SIGNATURE.to_vec();
        raw.extend(2_u32.to_le_bytes());
        raw.extend([0; 8]);
        raw.extend(FLAGS.to_le_bytes());
        raw.extend(hex("0123456789abcdef"));
        raw.extend([0; 8]);
        let length = u16::try_from(info.len()).unwrap().to_le_bytes();
        raw.extend([length, length].concat());
        raw.extend(48_u32.to_le_bytes());
        raw.extend(info);
        Challenge::parse(&raw).unwrap()
    }

    fn answer(challenge: &Challenge, username: &str, certificate: Option<&[u8]>) -> Vec<u8> {
        let login = Login {
            username,
            password: "Password",
            host: "mail.example.com",
            certificate,
        };
        authenticate(&negotiate(), challenge, &login, [0xaa; 8]).message.to_vec()
    }

    fn field(message: &[u8], number: usize) -> &[u8] {
        let at = 12 + number * 8;
        let (length, from) = (u16_at(message, at).unwrap(), u32_at(message, at + 4).unwrap() as usize);
        &message[from..from + usize::from(length)]
    }

    #[test]
    fn the_answer_is_bound_to_the_connection() {
        let challenge = challenge(true);
        let message = answer(&challenge, "Domain\\User", Some(&[7; 32]));
        assert_eq!(field(&message, 0), [0; 24], "no LM response beside a message integrity code");
        assert_eq!((field(&message, 2), field(&message, 3)), (&utf16("Domain")[..], &utf16("User")[..]));
        let mut without = message.clone();
        without[MIC_AT..PAYLOAD_AT].fill(0);
        let key = response_key("User", "Domain", "Password");
        let session_key = hmac_md5(&*key, &[&field(&message, 1)[..16]]);
        let code = hmac_md5(&session_key, &[&negotiate(), &challenge.raw, &without]);
        assert_eq!(message[MIC_AT..PAYLOAD_AT], code);
        let bindings = channel_bindings(&[7; 32]);
        assert!(field(&message, 1).windows(16).any(|window| window == bindings));
        // Without TLS the bindings are there and empty, so that nobody in between can leave them out.
        let plain = answer(&challenge, "User@domain", None);
        assert!(
            field(&plain, 1)
                .windows(20)
                .any(|window| window == [&[10, 0, 16, 0][..], &[0; 16]].concat())
        );
        assert_eq!((field(&plain, 2), field(&plain, 3)), (&[][..], &utf16("User@domain")[..]));
    }

    #[test]
    fn old_servers_get_an_lm_response_instead() {
        let message = answer(&challenge(false), "Domain\\User", None);
        assert_eq!(field(&message, 0), hex("86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa"));
        assert_eq!(message[MIC_AT..PAYLOAD_AT], [0; 16]);
    }

    proptest! {
        #[test]
        fn no_challenge_is_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in any::<prop::sample::Index>()) {
            let _ = Challenge::parse(&bytes);
            let good = challenge(true).raw;
            let _ = Challenge::parse(&good[..cut.index(good.len())]);
            let mixed = [&good[..12], &bytes].concat();
            if let Some(challenge) = Challenge::parse(&mixed) {
                prop_assert!(answer(&challenge, "a\\b", Some(&bytes)).starts_with(SIGNATURE));
            }
        }
    }
}
