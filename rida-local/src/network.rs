//! Which hosts a stranger may make this server talk to: none of its own network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use rida_core::PortError;
use rida_core::scm::{Repository, Scheme};

/// How long a name server may take.
const LOOKUP_WITHIN: Duration = Duration::from_secs(10);

/// Tells whether a place could be read when nobody chose it: it is not a folder, and no key of ours is used there.
pub(crate) fn can_be_public(place: &Repository) -> bool {
    matches!(place.scheme(), Scheme::Git | Scheme::Http | Scheme::Https)
}

/// Looks a host up, and refuses it unless all of its addresses are public. Returns the one to connect to, so that a
/// second look cannot find another.
pub(crate) async fn public_address(place: &Repository) -> Result<IpAddr, PortError> {
    let host = place.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let port = place.port().or(place.scheme().default_port()).unwrap_or_default();
    let unknown = || PortError::temporary(format!("the host {host} was not found"));
    let addresses: Vec<IpAddr> = match bare.parse() {
        Ok(address) => vec![address],
        Err(_) => tokio::time::timeout(LOOKUP_WITHIN, tokio::net::lookup_host((bare, port)))
            .await
            .map_err(|_| unknown())?
            .map_err(|error| unknown().because(error))?
            .map(|address| address.ip())
            .collect(),
    };
    if addresses.iter().all(|address| is_public(*address)) {
        return addresses.first().copied().ok_or_else(unknown);
    }
    Err(PortError::permanent(format!(
        "the host {host} is not on the public internet, and this server's administrator has not allowed it"
    )))
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b));
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, _, _, _, _, g, h] = address.segments();
    let [g1, g2] = g.to_be_bytes();
    let [h1, h2] = h.to_be_bytes();
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    match (a, b) {
        // NAT64: the address behind it is in the last four bytes.
        (0x64, 0xff9b) => is_public_v4(Ipv4Addr::new(g1, g2, h1, h2)),
        // Documentation, Teredo, ORCHID.
        (0x2001, 0xdb8) | (0x2001, 0) | (0x2001, 0x10..=0x2f) => false,
        // 6to4 wraps any IPv4 address.
        (0x2002, _) => false,
        _ => (a & 0xe000) == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        for public in ["8.8.8.8", "152.19.134.198", "2600:2701:4000::1", "::ffff:8.8.8.8", "64:ff9b::808:808"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for private in [
            "0.0.0.0",
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_refused() {
        for place in ["http://localhost/a", "http://127.1/a", "https://[::1]/a", "http://0x7f000001/a", "git://0/a"] {
            let error = public_address(&Repository::parse(place).unwrap()).await.unwrap_err();
            assert!(error.message().contains("public internet"), "{place}: {error}");
        }
        let address = public_address(&Repository::parse("http://8.8.8.8/a").unwrap()).await.unwrap();
        assert_eq!(address, IpAddr::from([8, 8, 8, 8]));
    }
}
