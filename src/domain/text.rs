//! Deceptive characters in texts that people rely on.

/// Whether a character makes a text look like another one: it is invisible, or it changes the direction of what follows (Unicode Bidirectional
/// Algorithm, UAX 9, §2). The joiners, which are part of how many languages are written, are not included.
pub fn misleads(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
