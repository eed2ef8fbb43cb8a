//! The tunnel object's attributes (`net/netfilter/nft_tunnel.c`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ironweir_netlink::{Attribute, Attributes, DecodeError, Writer};

use crate::object::{Erspan, GeneveOption, Tunnel, TunnelOptions};

/// `NFTA_TUNNEL_KEY_ID`.
const ID: u16 = 1;
/// `NFTA_TUNNEL_KEY_IP`.
const IP: u16 = 2;
/// `NFTA_TUNNEL_KEY_IP6`.
const IP6: u16 = 3;
/// `NFTA_TUNNEL_KEY_FLAGS`.
const FLAGS: u16 = 4;
/// `NFTA_TUNNEL_KEY_TOS`.
const TOS: u16 = 5;
/// `NFTA_TUNNEL_KEY_TTL`.
const TTL: u16 = 6;
/// `NFTA_TUNNEL_KEY_SPORT`.
const SPORT: u16 = 7;
/// `NFTA_TUNNEL_KEY_DPORT`.
const DPORT: u16 = 8;
/// `NFTA_TUNNEL_KEY_OPTS`.
const OPTS: u16 = 9;

/// `NFTA_TUNNEL_KEY_IP_SRC`, `NFTA_TUNNEL_KEY_IP6_SRC`.
const SRC: u16 = 1;
/// `NFTA_TUNNEL_KEY_IP_DST`, `NFTA_TUNNEL_KEY_IP6_DST`.
const DST: u16 = 2;
/// `NFTA_TUNNEL_KEY_IP6_FLOWLABEL`.
const FLOWLABEL: u16 = 3;

/// `NFTA_TUNNEL_KEY_OPTS_VXLAN`.
const VXLAN: u16 = 1;
/// `NFTA_TUNNEL_KEY_OPTS_ERSPAN`.
const ERSPAN: u16 = 2;
/// `NFTA_TUNNEL_KEY_OPTS_GENEVE`.
const GENEVE: u16 = 3;

/// `NFTA_TUNNEL_KEY_VXLAN_GBP`.
const VXLAN_GBP: u16 = 1;
/// `NFTA_TUNNEL_KEY_ERSPAN_VERSION`.
const ERSPAN_VERSION: u16 = 1;
/// `NFTA_TUNNEL_KEY_ERSPAN_V1_INDEX`.
const ERSPAN_INDEX: u16 = 2;
/// `NFTA_TUNNEL_KEY_ERSPAN_V2_HWID`.
const ERSPAN_HWID: u16 = 3;
/// `NFTA_TUNNEL_KEY_ERSPAN_V2_DIR`.
const ERSPAN_DIR: u16 = 4;
/// `NFTA_TUNNEL_KEY_GENEVE_CLASS`.
const GENEVE_CLASS: u16 = 1;
/// `NFTA_TUNNEL_KEY_GENEVE_TYPE`.
const GENEVE_TYPE: u16 = 2;
/// `NFTA_TUNNEL_KEY_GENEVE_DATA`.
const GENEVE_DATA: u16 = 3;

pub(super) fn put(writer: &mut Writer<'_>, tunnel: &Tunnel) {
    writer.put_u32_be(ID, tunnel.id);
    put_addresses(writer, tunnel);
    writer.put_u32_be(FLAGS, tunnel.flags);
    for (kind, byte) in [(TOS, tunnel.tos), (TTL, tunnel.ttl)] {
        if let Some(byte) = byte {
            writer.put_u8(kind, byte);
        }
    }
    for (kind, port) in [(SPORT, tunnel.sport), (DPORT, tunnel.dport)] {
        if let Some(port) = port {
            writer.put_u16_be(kind, port);
        }
    }
    if tunnel.options != TunnelOptions::None {
        writer.nest(OPTS, |writer| put_options(writer, &tunnel.options));
    }
}

fn put_addresses(writer: &mut Writer<'_>, tunnel: &Tunnel) {
    let addresses = [(SRC, tunnel.src), (DST, tunnel.dst)];
    let v6 = addresses.iter().any(|(_, address)| matches!(address, Some(IpAddr::V6(_))));
    if addresses.iter().all(|(_, address)| address.is_none()) && tunnel.flowlabel.is_none() {
        return;
    }
    writer.nest(if v6 { IP6 } else { IP }, |writer| {
        for (kind, address) in addresses {
            match address {
                Some(IpAddr::V4(address)) => writer.put(kind, &address.octets()),
                Some(IpAddr::V6(address)) => writer.put(kind, &address.octets()),
                None => {}
            }
        }
        if let Some(flowlabel) = tunnel.flowlabel {
            writer.put_u32_be(FLOWLABEL, flowlabel);
        }
    });
}

fn put_options(writer: &mut Writer<'_>, options: &TunnelOptions) {
    match options {
        TunnelOptions::None => {}
        TunnelOptions::Vxlan { gbp } => writer.nest(VXLAN, |writer| writer.put_u32_be(VXLAN_GBP, *gbp)),
        TunnelOptions::Erspan(Erspan::V1 { index }) => writer.nest(ERSPAN, |writer| {
            writer.put_u32_be(ERSPAN_VERSION, 1);
            writer.put_u32_be(ERSPAN_INDEX, *index);
        }),
        TunnelOptions::Erspan(Erspan::V2 { direction, hwid }) => writer.nest(ERSPAN, |writer| {
            writer.put_u32_be(ERSPAN_VERSION, 2);
            writer.put_u8(ERSPAN_HWID, *hwid);
            writer.put_u8(ERSPAN_DIR, *direction);
        }),
        TunnelOptions::Geneve(options) => {
            for option in options {
                writer.nest(GENEVE, |writer| {
                    writer.put_u16_be(GENEVE_CLASS, option.class);
                    writer.put_u8(GENEVE_TYPE, option.kind);
                    writer.put(GENEVE_DATA, &option.data);
                });
            }
        }
    }
}

pub(super) fn read(attributes: Attributes<'_>) -> Result<Tunnel, DecodeError> {
    let mut tunnel = Tunnel {
        id: attributes.require(ID)?.u32_be()?,
        src: None,
        dst: None,
        sport: None,
        dport: None,
        tos: None,
        ttl: None,
        flowlabel: None,
        flags: 0,
        options: TunnelOptions::None,
    };
    for attribute in attributes {
        let attribute = attribute?;
        match attribute.kind {
            IP => {
                let address =
                    |attribute: &Attribute<'_>| attribute.array().map(|a| Ipv4Addr::from_octets(a).into());
                read_addresses(&mut tunnel, attribute.nested(), address)?;
            }
            IP6 => {
                let address =
                    |attribute: &Attribute<'_>| attribute.array().map(|a| Ipv6Addr::from_octets(a).into());
                read_addresses(&mut tunnel, attribute.nested(), address)?;
            }
            FLAGS => tunnel.flags = attribute.u32_be()?,
            TOS => tunnel.tos = Some(attribute.u8()?),
            TTL => tunnel.ttl = Some(attribute.u8()?),
            SPORT => tunnel.sport = Some(attribute.u16_be()?),
            DPORT => tunnel.dport = Some(attribute.u16_be()?),
            OPTS => tunnel.options = read_options(attribute.nested())?,
            _ => {}
        }
    }
    Ok(tunnel)
}

fn read_addresses(
    tunnel: &mut Tunnel,
    attributes: Attributes<'_>,
    address: impl Fn(&Attribute<'_>) -> Result<IpAddr, DecodeError>,
) -> Result<(), DecodeError> {
    for attribute in attributes {
        let attribute = attribute?;
        match attribute.kind {
            SRC => tunnel.src = Some(address(&attribute)?),
            DST => tunnel.dst = Some(address(&attribute)?),
            FLOWLABEL => tunnel.flowlabel = Some(attribute.u32_be()?),
            _ => {}
        }
    }
    Ok(())
}

fn read_options(attributes: Attributes<'_>) -> Result<TunnelOptions, DecodeError> {
    let mut geneve = Vec::new();
    for attribute in attributes {
        let attribute = attribute?;
        let within = attribute.nested();
        match attribute.kind {
            VXLAN => return Ok(TunnelOptions::Vxlan { gbp: within.require(VXLAN_GBP)?.u32_be()? }),
            ERSPAN => {
                let version = within.require(ERSPAN_VERSION)?;
                return Ok(TunnelOptions::Erspan(match version.u32_be()? {
                    1 => Erspan::V1 { index: within.require(ERSPAN_INDEX)?.u32_be()? },
                    2 => Erspan::V2 {
                        direction: within.require(ERSPAN_DIR)?.u8()?,
                        hwid: within.require(ERSPAN_HWID)?.u8()?,
                    },
                    _ => return Err(version.bad_value()),
                }));
            }
            GENEVE => read_geneve(&mut geneve, within)?,
            _ => {}
        }
    }
    Ok(if geneve.is_empty() { TunnelOptions::None } else { TunnelOptions::Geneve(geneve) })
}

/// A nest for each option, as requests say it, or one nest for all of them, as the kernel tells them
/// (`nft_tunnel_opts_dump`): a class begins another one.
fn read_geneve(options: &mut Vec<GeneveOption>, attributes: Attributes<'_>) -> Result<(), DecodeError> {
    attributes.require(GENEVE_CLASS)?;
    for attribute in attributes {
        let attribute = attribute?;
        if attribute.kind == GENEVE_CLASS {
            options.push(GeneveOption { class: attribute.u16_be()?, kind: 0, data: Vec::new() });
        }
        let Some(option) = options.last_mut() else { continue };
        match attribute.kind {
            GENEVE_TYPE => option.kind = attribute.u8()?,
            GENEVE_DATA => option.data = attribute.value.to_vec(),
            _ => {}
        }
    }
    Ok(())
}
