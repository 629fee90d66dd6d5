//! Zip archives as artifact stores serve them, good ones and hostile ones.
//!
//! Invariants: an archive follows from its entries alone, byte for byte. Only what tests need is here: deflated entries,
//! symbolic links, and sizes that lie.

use std::io::Write;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use sha2::{Digest as _, Sha256};

use crate::scenario::{Artifact, Entry};

/// An artifact's bytes.
pub fn bytes(artifact: &Artifact) -> std::io::Result<Vec<u8>> {
    match &artifact.raw {
        Some(path) => std::fs::read(path),
        None => pack(&artifact.entries),
    }
}

/// A checksum as the listing writes it.
pub fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// One entry as it lies in the archive.
struct Packed {
    name: Vec<u8>,
    crc: u32,
    packed: Vec<u8>,
    size: u32,
    /// Unix mode in the upper half.
    attributes: u32,
    offset: u32,
}

fn pack(entries: &[Entry]) -> std::io::Result<Vec<u8>> {
    let mut archive = Vec::new();
    let mut directory = Vec::new();
    for entry in entries {
        let one = deflate(entry, narrow(archive.len()))?;
        archive.extend(b"PK\x03\x04");
        archive.extend(20u16.to_le_bytes());
        archive.extend(common(&one));
        archive.extend(&one.name);
        archive.extend(&one.packed);
        directory.push(one);
    }
    let start = archive.len();
    for one in &directory {
        archive.extend(b"PK\x01\x02");
        // Made by version 2.0 on Unix: only then do the attributes tell a link.
        archive.extend((3u16 << 8 | 20).to_le_bytes());
        archive.extend(20u16.to_le_bytes());
        archive.extend(common(one));
        // No comment, first disk, no internal attributes.
        archive.extend([0; 6]);
        archive.extend(one.attributes.to_le_bytes());
        archive.extend(one.offset.to_le_bytes());
        archive.extend(&one.name);
    }
    let count = u16::try_from(directory.len()).unwrap_or(u16::MAX).to_le_bytes();
    let length = archive.len() - start;
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend([count, count].concat());
    archive.extend(narrow(length).to_le_bytes());
    archive.extend(narrow(start).to_le_bytes());
    archive.extend([0; 2]);
    Ok(archive)
}

/// What a local header and the directory have in common: flags to extra length.
fn common(one: &Packed) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Flags: names are UTF-8. Method: deflate. Time and date: the first of 1980.
    bytes.extend([0x0800u16, 8, 0, 0x21].map(u16::to_le_bytes).concat());
    bytes.extend(one.crc.to_le_bytes());
    bytes.extend(narrow(one.packed.len()).to_le_bytes());
    bytes.extend(one.size.to_le_bytes());
    bytes.extend(u16::try_from(one.name.len()).unwrap_or(u16::MAX).to_le_bytes());
    bytes.extend(0u16.to_le_bytes());
    bytes
}

fn deflate(entry: &Entry, offset: u32) -> std::io::Result<Packed> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    let mut crc = Crc::new();
    let mut put = |bytes: &[u8]| {
        crc.update(bytes);
        encoder.write_all(bytes)
    };
    if let Some(count) = entry.zeros {
        let block = vec![0; 1 << 20];
        let mut left = count;
        while left > 0 {
            let now = left.min(block.len());
            put(&block[..now])?;
            left -= now;
        }
    } else if let Some(path) = &entry.file {
        put(&std::fs::read(path)?)?;
    } else {
        put(entry.text.as_ref().or(entry.link.as_ref()).map_or(b"", |text| text.as_bytes()))?;
    }
    let packed = encoder.finish()?;
    let mode: u32 = if entry.link.is_some() { 0o120_777 } else { 0o100_644 };
    let size = entry.claims.unwrap_or(crc.amount());
    Ok(Packed { name: entry.path.clone().into_bytes(), crc: crc.sum(), packed, size, attributes: mode << 16, offset })
}

fn narrow(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
