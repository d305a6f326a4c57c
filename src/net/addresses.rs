//! Which addresses may be called. Names of mailbox servers come from people, so without rules the service could be made to call what only
//! it can reach: its own machine, the cloud's metadata, the inside of the network (server-side request forgery, CWE-918).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address must not be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is this machine.
    Loopback,
    /// It is in a private network, which the tenant does not allow.
    Private,
    /// It is on the link, or serves the metadata of a cloud's machines.
    LinkOrMetadata,
    /// It is not the address of a single server on the internet.
    Reserved,
}

impl Refusal {
    /// Why, and what to do about it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Loopback => "is this machine itself, which the operator does not allow. Enter the server's own name.",
            Self::Private => {
                "is in a private network. For a server on premises, an administrator allows it in the tenant settings (allow_private_networks)."
            }
            Self::LinkOrMetadata => "is link-local, where mailbox servers are not allowed. Enter the server's own name.",
            Self::Reserved => "is not an address of a server on the internet. Check the server's name.",
        }
    }
}

/// What is allowed beyond public addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// This machine: for tests and demonstrations.
    pub loopback: bool,
    /// Private networks (RFC 1918, RFC 4193, RFC 6598).
    pub private: bool,
}

/// Checks an address, in whatever form it contains an IPv4 address.
///
/// # Errors
/// Why it may not be called.
pub fn judge(address: IpAddr, allowed: Allowed) -> Result<(), Refusal> {
    let verdict = match address {
        IpAddr::V4(v4) => v4_kind(v4),
        IpAddr::V6(v6) => match embedded(v6) {
            Some(v4) => v4_kind(v4),
            None => v6_kind(v6),
        },
    };
    match verdict {
        None => Ok(()),
        Some(Refusal::Loopback) if allowed.loopback => Ok(()),
        Some(Refusal::Private) if allowed.private => Ok(()),
        Some(refusal) => Err(refusal),
    }
}

/// Addresses at which clouds serve metadata outside of the link-local range: Azure, Alibaba, Oracle.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];

/// The same for IPv6, where private addresses are used: Google, Oracle, Scaleway. Amazon's are recognised by their prefix.
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
];

/// What an IPv4 address is, by the registry of special-purpose addresses (RFC 6890). `None` for a public one.
fn v4_kind(address: Ipv4Addr) -> Option<Refusal> {
    if METADATA_V4.contains(&address) {
        return Some(Refusal::LinkOrMetadata);
    }
    match address.octets() {
        [127, ..] => Some(Refusal::Loopback),
        [10, ..] | [192, 168, ..] => Some(Refusal::Private),
        [172, second, ..] if (16..32).contains(&second) => Some(Refusal::Private),
        [100, second, ..] if (64..128).contains(&second) => Some(Refusal::Private),
        [169, 254, ..] => Some(Refusal::LinkOrMetadata),
        // This network, protocol assignments, documentation, 6to4 relays, benchmarks, multicast, reserved, broadcast.
        [0 | 224..=255, ..] | [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 18 | 19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => {
            Some(Refusal::Reserved)
        }
        _ => None,
    }
}

fn v6_kind(address: Ipv6Addr) -> Option<Refusal> {
    if METADATA_V6.contains(&address) {
        return Some(Refusal::LinkOrMetadata);
    }
    let [first, second, ..] = address.segments();
    match first {
        _ if address == Ipv6Addr::LOCALHOST => Some(Refusal::Loopback),
        // Amazon's: metadata at ::254, the credentials of containers at ::23, and more.
        0xfd00 if second == 0xec2 => Some(Refusal::LinkOrMetadata),
        0xfc00..=0xfdff => Some(Refusal::Private),
        0xfe80..=0xfeff => Some(Refusal::LinkOrMetadata),
        // Protocol assignments with Teredo and ORCHID, documentation.
        0x2001 if second < 0x200 || second == 0xdb8 => Some(Refusal::Reserved),
        0x3fff if second < 0x1000 => Some(Refusal::Reserved),
        // The range allocated for single servers (RFC 4291 §2.4).
        0x2000..=0x3fff => None,
        _ => Some(Refusal::Reserved),
    }
}

/// The IPv4 address that an IPv6 address stands for: mapped and compatible (RFC 4291 §2.5.5), NAT64 (RFC 6052), 6to4 (RFC 3056).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let halves = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => {
            Some(halves(high, low))
        }
        [0x2002, high, low, ..] => Some(halves(high, low)),
        _ => None,
    }
}

/// The address that a text stands for, in all the forms that resolvers accept, such as `127.1`, `0x7f000001` or `[::1]`. `None` for a name.
pub fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    // A zone does not change what the address is.
    let bare = bare.split('%').next().unwrap_or(bare);
    if let Ok(address) = bare.parse() {
        return Some(address);
    }
    match url::Host::parse(host).ok()? {
        url::Host::Ipv4(address) => Some(address.into()),
        url::Host::Ipv6(address) => Some(address.into()),
        url::Host::Domain(_) => None,
    }
}

/// The address that a host has without a DNS query: an address itself, as [`literal`] takes it, or a name of this machine (RFC 6761
/// §6.3, and what systems list beside it). `None` for any other name.
pub fn known(host: &str) -> Option<IpAddr> {
    literal(host).or_else(|| {
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let own = name.rsplit('.').next() == Some("localhost")
            || ["localhost.localdomain", "ip6-localhost", "ip6-loopback"].contains(&name.as_str());
        own.then_some(Ipv4Addr::LOCALHOST.into())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_kind_of_address_is_judged() {
        use Refusal::{LinkOrMetadata, Loopback, Private, Reserved};
        let check = |text: &str, expected: Result<(), Refusal>| {
            let address = literal(text).unwrap_or_else(|| panic!("{text} is an address"));
            assert_eq!(judge(address, Allowed::default()), expected, "{text}");
        };
        for public in [
            "8.8.8.8",
            "52.97.0.1",
            "172.32.0.1",
            "100.128.0.1",
            "192.0.1.1",
            "2603:1026::1",
            "2a00:1450::5",
            "64:ff9b::808:808",
            "2002:808:808::1",
            "::ffff:8.8.8.8",
        ] {
            check(public, Ok(()));
        }
        for loopback in [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "127.1",
            "0x7f000001",
            "2130706433",
            "0177.0.0.1",
            "[::1]",
            "127.0.0.1.",
            "::ffff:0:127.0.0.1",
        ] {
            check(loopback, Err(Loopback));
        }
        for private in [
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "fd12::1",
            "fc00::1",
            "::ffff:10.0.0.1",
        ] {
            check(private, Err(Private));
        }
        for link in [
            "169.254.169.254",
            "169.254.0.1",
            "fe80::1",
            "fe80::1%eth0",
            "fec0::1",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "169.254.170.2",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
            "fd00:c1::a9fe:a9fe",
            "fd00:42::42",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2852039166",
        ] {
            check(link, Err(LinkOrMetadata));
        }
        for reserved in [
            "0.0.0.0",
            "0.1.2.3",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "3fff::1",
            "100::1",
            "64:ff9b:1::1",
            "::2",
            "4000::1",
        ] {
            check(reserved, Err(Reserved));
        }
    }

    #[test]
    fn only_what_is_allowed_is_allowed() {
        let judged = |text: &str, loopback, private| judge(literal(text).unwrap(), Allowed { loopback, private }).is_ok();
        assert!(judged("127.0.0.1", true, false) && judged("::1", true, false) && !judged("127.0.0.1", false, true));
        assert!(judged("10.1.1.1", false, true) && judged("fd12::1", false, true) && !judged("10.1.1.1", true, false));
        for never in [
            "169.254.169.254",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "100.100.100.200",
            "0.0.0.0",
            "fe80::1",
            "224.0.0.1",
        ] {
            assert!(!judged(never, true, true), "{never}");
        }
    }

    #[test]
    fn names_are_no_addresses() {
        for name in ["mail.example.com", "localhost", "10.example.com", "a", "fe80"] {
            assert_eq!(literal(name), None, "{name}");
        }
    }

    #[test]
    fn names_of_this_machine_are_known() {
        for own in ["localhost", "LocalHost.", "mail.localhost", "localhost.localdomain", "ip6-loopback"] {
            assert_eq!(known(own), Some(Ipv4Addr::LOCALHOST.into()), "{own}");
        }
        assert_eq!(known("0x7f.1"), Some(Ipv4Addr::LOCALHOST.into()));
        for other in ["mail.example.com", "localhost.example.com", "notlocalhost", ""] {
            assert_eq!(known(other), None, "{other}");
        }
    }

    /// Ranges that are refused whatever is allowed, by their first address and the bits that stay.
    const NEVER: [([u8; 4], u32); 14] = [
        ([0, 0, 0, 0], 8),
        ([169, 254, 0, 0], 16),
        ([100, 100, 100, 200], 32),
        ([168, 63, 129, 16], 32),
        ([192, 0, 0, 0], 24),
        ([192, 0, 2, 0], 24),
        ([192, 88, 99, 0], 24),
        ([198, 18, 0, 0], 15),
        ([198, 51, 100, 0], 24),
        ([203, 0, 113, 0], 24),
        ([224, 0, 0, 0], 4),
        ([240, 0, 0, 0], 4),
        ([255, 255, 255, 255], 32),
        ([127, 0, 0, 0], 8),
    ];

    /// One of the ways to write an IPv4 address that some program takes for it.
    fn written(address: Ipv4Addr, form: u8, noise: u16) -> String {
        let number = u32::from(address);
        let [a, b, c, d] = address.octets();
        let (high, low) = (number >> 16, number & 0xffff);
        let wide = |text: String| {
            text.chars()
                .map(|c| c.to_digit(10).map_or(c, |digit| char::from_u32(0xff10 + digit).unwrap()))
                .collect()
        };
        match form {
            0 => format!("{number}"),
            1 => format!("{number:#X}"),
            2 => format!("0{number:o}"),
            3 => format!("{a:#x}.{}", number & 0xff_ffff),
            4 => format!("{a}.0{b:o}.{low}"),
            5 => format!("{a}.{b:#x}.0{c:o}.{d:#x}"),
            6 => format!("{address}."),
            7 => wide(address.to_string()),
            8 => format!("[::ffff:{address}]"),
            9 => format!("::FFFF:{high:X}:{low:X}"),
            10 => format!("0:0:0:0:0:ffff:{high:04x}:{low:04x}"),
            11 => format!("::{high:x}:{low:x}"),
            12 => format!("64:ff9b::{address}"),
            13 => format!("64:ff9b:1:{noise:x}::{high:x}:{low:x}"),
            14 => format!("::ffff:0:{high:x}:{low:x}"),
            15 => format!("[2002:{high:x}:{low:x}:{noise:x}::{noise:x}]"),
            // Teredo has the server's address plain and the client's turned over.
            16 => format!("2001:0:{high:x}:{low:x}:0:{noise:x}:808:808"),
            17 => format!("2001:0:808:808:0:{noise:x}:{:x}:{:x}", !high & 0xffff, !low & 0xffff),
            _ => address.to_string(),
        }
    }

    proptest! {
        #[test]
        fn no_form_of_a_refused_address_passes(range in prop::sample::select(&NEVER[..]), bits: u32, form in 0_u8..19, noise: u16) {
            let (first, stay) = range;
            let address = Ipv4Addr::from(u32::from_be_bytes(first) | (bits & u32::MAX.checked_shr(stay).unwrap_or(0)));
            let text = written(address, form, noise);
            let found = known(&text);
            prop_assert!(found.is_some(), "{} is taken for a name", text);
            let allowed = Allowed { loopback: false, private: true };
            prop_assert!(judge(found.unwrap(), allowed).is_err(), "{} passes as {:?}", text, found);
            // The same within the URL of a service.
            if let Ok(url) = url::Url::parse(&format!("https://{text}:444/EWS/Exchange.asmx")) {
                let host = url.host_str().unwrap().to_owned();
                let found = known(&host);
                prop_assert!(found.is_some() && judge(found.unwrap(), allowed).is_err(), "{} passes as {}", text, host);
            }
        }

        #[test]
        fn no_form_hides_an_address(octets in any::<[u8; 4]>(), form in 0..6) {
            let v4 = Ipv4Addr::from(octets);
            let [a, b, c, d] = octets;
            let number = u32::from(v4);
            let text = match form {
                0 => format!("{number}"),
                1 => format!("{number:#x}"),
                2 => format!("{a:#o}.{b}.{c:#x}.{d}").replace("0o", "0"),
                3 => format!("::ffff:{v4}"),
                4 => format!("64:ff9b::{:x}:{:x}", number >> 16, number & 0xffff),
                _ => format!("2002:{:x}:{:x}::", number >> 16, number & 0xffff),
            };
            let plain = judge(v4.into(), Allowed::default());
            prop_assert_eq!(judge(literal(&text).unwrap(), Allowed::default()).is_ok(), plain.is_ok(), "{}", text);
        }
    }
}
