//! Finds the program in an ordinary container image: the one `.wasm` file in its layers (POSIX.1-1988 tar, with or
//! without gzip, RFC 1952).

use bytes::Bytes;

use super::IMAGE_BYTES_MAX;

/// Most bytes of a layer once it is unpacked: the program and a little beside it.
const UNPACKED_BYTES_MAX: usize = IMAGE_BYTES_MAX + (8 << 20);
/// A tar archive's unit.
const BLOCK: usize = 512;

/// The Wasm file of a layer; `None` when it has none.
///
/// # Errors
/// When the layer is damaged, too large once unpacked, or has several Wasm files.
pub(crate) fn wasm_file(layer: &Bytes) -> Result<Option<(String, Bytes)>, String> {
    let unpacked = if layer.starts_with(&[0x1f, 0x8b]) {
        gunzip(layer)?.into()
    } else {
        layer.clone()
    };
    let mut found: Option<(String, Bytes)> = None;
    let mut at = 0;
    while let Some(header) = unpacked.get(at..at + BLOCK) {
        if header.iter().all(|b| *b == 0) {
            break;
        }
        let size = octal(&header[124..136]).ok_or("a layer is no tar archive")?;
        let start = at + BLOCK;
        let end = start
            .checked_add(size)
            .filter(|end| *end <= unpacked.len())
            .ok_or("a layer is cut off")?;
        let name = text(&header[..100]);
        let is_file = matches!(header[156], 0 | b'0');
        let content = unpacked.slice(start..end);
        if is_file && (name.ends_with(".wasm") || content.starts_with(b"\0asm")) {
            if let Some((other, _)) = &found {
                return Err(format!(
                    "it has several Wasm files ({other}, {name}); an image has one program"
                ));
            }
            found = Some((name, content));
        }
        at = start + size.div_ceil(BLOCK) * BLOCK;
    }
    Ok(found)
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

fn octal(field: &[u8]) -> Option<usize> {
    let text = text(field);
    let digits = text.trim();
    if digits.is_empty() {
        return Some(0);
    }
    usize::from_str_radix(digits, 8).ok()
}

fn gunzip(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let body = gzip_body(bytes).ok_or("a layer's gzip header is damaged")?;
    miniz_oxide::inflate::decompress_to_vec_with_limit(body, UNPACKED_BYTES_MAX).map_err(|error| {
        match error.status {
            miniz_oxide::inflate::TINFLStatus::HasMoreOutput => {
                format!("a layer has more than {UNPACKED_BYTES_MAX} bytes once unpacked")
            }
            status => format!("a layer's gzip data is damaged ({status:?})"),
        }
    })
}

/// What follows a gzip header and its optional fields.
fn gzip_body(bytes: &[u8]) -> Option<&[u8]> {
    let (flags, mut rest) = (*bytes.get(3)?, bytes.get(10..)?);
    if flags & 4 != 0 {
        let length = usize::from(u16::from_le_bytes([*rest.first()?, *rest.get(1)?]));
        rest = rest.get(2 + length..)?;
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            let end = rest.iter().position(|b| *b == 0)?;
            rest = rest.get(end + 1..)?;
        }
    }
    if flags & 2 != 0 {
        rest = rest.get(2..)?;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, content) in files {
            let mut header = [0; BLOCK];
            header[..name.len()].copy_from_slice(name.as_bytes());
            header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
            header[156] = b'0';
            out.extend(header);
            out.extend(*content);
            out.resize(out.len().div_ceil(BLOCK) * BLOCK, 0);
        }
        out.resize(out.len() + 2 * BLOCK, 0);
        out
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3];
        out.extend(b"layer.tar\0");
        out.extend(miniz_oxide::deflate::compress_to_vec(bytes, 6));
        out.extend([0; 8]);
        out
    }

    fn check(layer: Vec<u8>, expected: &str) {
        let found = wasm_file(&layer.into());
        let shown = match found {
            Ok(None) => "nothing".to_owned(),
            Ok(Some((name, content))) => format!("{name}: {} bytes", content.len()),
            Err(error) => error,
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn the_one_wasm_file_is_found() {
        let program: &[u8] = b"\0asm\x01\0\0\0";
        check(
            tar(&[("etc/x", b"y"), ("app.wasm", program)]),
            "app.wasm: 8 bytes",
        );
        check(gzip(&tar(&[("app", program)])), "app: 8 bytes");
        check(tar(&[("bin/sh", b"\x7fELF")]), "nothing");
        check(Vec::new(), "nothing");
        check(
            tar(&[("a.wasm", program), ("b.wasm", program)]),
            "it has several Wasm files (a.wasm, b.wasm); an image has one program",
        );
    }

    #[test]
    fn damage_is_noticed() {
        let whole = tar(&[("app.wasm", &[1; 2000])]);
        check(whole[..1000].to_vec(), "a layer is cut off");
        check(vec![b'x'; 512], "a layer is no tar archive");
        check(
            gzip(&whole)[..40].to_vec(),
            "a layer's gzip data is damaged (FailedCannotMakeProgress)",
        );
        check(vec![0x1f, 0x8b, 8], "a layer's gzip header is damaged");
        let bomb = gzip(&vec![0; UNPACKED_BYTES_MAX + 1]);
        check(
            bomb,
            &format!("a layer has more than {UNPACKED_BYTES_MAX} bytes once unpacked"),
        );
    }
}
