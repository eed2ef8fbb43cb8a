//! Where a chain or flowtable hangs: the nest of hook number, priority and devices.

use ironweir_netlink::{Attribute, DecodeError, Writer};

/// `NFTA_DEVICE_NAME`.
const DEVICE_NAME: u16 = 1;
/// `NFTA_DEVICE_PREFIX`: every device whose name begins so, written `eth*` (Linux 6.18).
const DEVICE_PREFIX: u16 = 2;

/// Types of the nest's attributes, which chains and flowtables number differently.
pub(super) struct Numbers {
    /// Hook number.
    pub(super) number: u16,
    /// Priority.
    pub(super) priority: u16,
    /// A single device, which flowtables do not have.
    pub(super) device: Option<u16>,
    /// A list of devices.
    pub(super) devices: u16,
}

/// What the nest says.
#[derive(Debug, Default)]
pub(super) struct Hooked {
    /// `NF_*` number of the family's hook.
    pub(super) number: Option<u32>,
    pub(super) priority: Option<i32>,
    pub(super) devices: Vec<Box<str>>,
}

/// Puts a list of devices: nothing for none. A single one goes into the older attribute if there is one.
pub(super) fn put_devices(writer: &mut Writer<'_>, numbers: &Numbers, devices: &[Box<str>]) {
    match (devices, numbers.device) {
        ([], _) => {}
        ([device], Some(kind)) if !is_prefix(device) => writer.put_str(kind, device),
        _ => put_list(writer, numbers.devices, devices),
    }
}

/// Puts devices as the kernel tells them: the list, and a single one in the older attribute besides.
pub(super) fn put_told(writer: &mut Writer<'_>, numbers: &Numbers, devices: &[Box<str>]) {
    if !devices.is_empty() {
        put_list(writer, numbers.devices, devices);
    }
    if let ([device], Some(kind)) = (devices, numbers.device)
        && !is_prefix(device)
    {
        writer.put_str(kind, device);
    }
}

fn put_list(writer: &mut Writer<'_>, kind: u16, devices: &[Box<str>]) {
    writer.nest(kind, |writer| {
        for device in devices {
            match device.strip_suffix('*') {
                Some(prefix) if is_prefix(device) => writer.put_str(DEVICE_PREFIX, prefix),
                _ => writer.put_str(DEVICE_NAME, device),
            }
        }
    });
}

/// Whether every device whose name begins so is meant.
fn is_prefix(device: &str) -> bool {
    device.ends_with('*')
}

/// Reads the nest.
pub(super) fn read(attribute: &Attribute<'_>, numbers: &Numbers) -> Result<Hooked, DecodeError> {
    let mut hooked = Hooked::default();
    let mut single = None;
    for inner in attribute.nested() {
        let inner = inner?;
        if inner.kind == numbers.number {
            hooked.number = Some(inner.u32_be()?);
        } else if inner.kind == numbers.priority {
            hooked.priority = Some(inner.u32_be()? as i32);
        } else if Some(inner.kind) == numbers.device {
            single = Some(inner.str()?);
        } else if inner.kind == numbers.devices {
            for device in inner.nested() {
                let device = device?;
                match device.kind {
                    DEVICE_NAME => hooked.devices.push(device.str()?.into()),
                    DEVICE_PREFIX => hooked.devices.push(format!("{}*", device.str()?).into()),
                    _ => {}
                }
            }
        }
    }
    // The kernel tells a single device both ways.
    if let (Some(device), []) = (single, &hooked.devices[..]) {
        hooked.devices.push(device.into());
    }
    Ok(hooked)
}
