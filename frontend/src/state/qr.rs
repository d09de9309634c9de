//! A link as a QR code, drawn as one SVG path.

use qrcode::{Color, EcLevel, QrCode};

/// The side in modules and the path of the dark ones; `None` when the text is too long for any code that a phone reads
/// from a screen.
#[must_use]
pub fn path(text: &str) -> Option<(usize, String)> {
    /// Version 25: a module of two pixels still fits the dialog.
    const SIDE_MAX: usize = 117;
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let side = code.width();
    if side > SIDE_MAX {
        return None;
    }
    let colors = code.to_colors();
    let dark = colors
        .iter()
        .enumerate()
        .filter(|(_, c)| **c == Color::Dark);
    let squares = dark.map(|(i, _)| format!("M{} {}h1v1h-1z", i % side, i / side));
    Some((side, squares.collect()))
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn short_links_have_a_code_and_long_ones_say_so() {
        let (side, drawn) = path("http://127.0.0.1:7080/#s=AQ").unwrap();
        assert_eq!(side, 25);
        assert!(
            drawn.starts_with("M0 0h1v1h-1z"),
            "the finder pattern's corner is dark"
        );
        assert_eq!(path(&"x".repeat(2000)), None);
    }
}
