//! NTLM within SPNEGO (RFC 4178, [MS-SPNG]), as the scheme Negotiate carries it: as little of DER as that takes.

/// The mechanism NTLM, 1.3.6.1.4.1.311.2.2.10, as an object identifier in DER.
const NTLM: &[u8] = &[0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x02, 0x0a];
/// SPNEGO itself, 1.3.6.1.5.5.2.
const SPNEGO: &[u8] = &[0x06, 0x06, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x02];

const OCTETS: u8 = 0x04;
const SEQUENCE: u8 = 0x30;
const APPLICATION: u8 = 0x60;
/// Context-specific, constructed.
const CONTEXT: u8 = 0xa0;

/// The first token: NTLM is the only mechanism offered, with its first message.
pub(super) fn init(negotiate: &[u8]) -> Vec<u8> {
    let mechanisms = element(CONTEXT, &mechanisms());
    let token = element(CONTEXT | 2, &element(OCTETS, negotiate));
    let init = element(CONTEXT, &element(SEQUENCE, &[mechanisms, token].concat()));
    element(APPLICATION, &[SPNEGO, &init].concat())
}

/// What the signature of the second token is made over: the list of mechanisms as it was offered.
pub(super) fn mechanisms() -> Vec<u8> {
    element(SEQUENCE, NTLM)
}

/// The second token, with NTLM's third message and its signature of the list of mechanisms, which servers want where NTLM has an integrity
/// code.
pub(super) fn response(authenticate: &[u8], signature: &[u8]) -> Vec<u8> {
    let token = element(CONTEXT | 2, &element(OCTETS, authenticate));
    let signature = element(CONTEXT | 3, &element(OCTETS, signature));
    element(CONTEXT | 1, &element(SEQUENCE, &[token, signature].concat()))
}

/// NTLM's message in a token of the server, which may come without SPNEGO around it.
pub(super) fn unwrap(token: &[u8]) -> Option<&[u8]> {
    if token.starts_with(b"NTLMSSP\0") {
        return Some(token);
    }
    let response = read(token).filter(|response| response.tag == CONTEXT | 1)?;
    let mut fields = read(response.content)?.content;
    while let Some(field) = read(fields) {
        if field.tag == CONTEXT | 2 {
            let octets = read(field.content)?;
            return (octets.tag == OCTETS).then_some(octets.content);
        }
        fields = field.behind;
    }
    None
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(content.len()) {
        Ok(length) if length < 0x80 => out.push(length),
        _ => {
            let length = content.len().to_be_bytes();
            let skip = length.iter().take_while(|byte| **byte == 0).count();
            let digits = &length[skip..];
            out.push(0x80 | u8::try_from(digits.len()).unwrap_or(0));
            out.extend(digits);
        }
    }
    out.extend(content);
    out
}

/// An element of DER.
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    /// What follows it.
    behind: &'a [u8],
}

/// The first element.
fn read(bytes: &[u8]) -> Option<Element<'_>> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) = rest
            .split_at_checked(usize::from(first & 0x7f))
            .filter(|(digits, _)| (1..=4).contains(&digits.len()))?;
        let length = digits.iter().fold(0_usize, |length, digit| length << 8 | usize::from(*digit));
        (length, rest)
    };
    let (content, behind) = rest.split_at_checked(length)?;
    Some(Element { tag, content, behind })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_are_wrapped_and_unwrapped() {
        for length in [0, 5, 127, 128, 255, 256, 70_000] {
            let message = [&b"NTLMSSP\0"[..], &vec![7; length]].concat();
            // What a server answers: the state, the mechanism, and the token.
            let state = element(CONTEXT, &[0x0a, 1, 1]);
            let mechanism = element(CONTEXT | 1, NTLM);
            let token = element(CONTEXT | 2, &element(OCTETS, &message));
            let answer = element(CONTEXT | 1, &element(SEQUENCE, &[state, mechanism, token].concat()));
            assert_eq!(unwrap(&answer), Some(&message[..]));
            assert_eq!(unwrap(&response(&message, &[7; 16])), Some(&message[..]));
            assert_eq!(unwrap(&message), Some(&message[..]));
        }
        let first = init(b"NTLMSSP\0\x01");
        assert_eq!(first[..2], [APPLICATION, u8::try_from(first.len() - 2).unwrap()]);
        assert!(first.ends_with(b"NTLMSSP\0\x01") && first.windows(NTLM.len()).any(|window| window == NTLM));
    }

    proptest! {
        #[test]
        fn no_token_is_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = unwrap(&bytes);
            let _ = unwrap(&element(CONTEXT | 1, &bytes));
        }
    }
}
