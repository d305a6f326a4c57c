//! Charsets of one byte a character that neither the web nor DOS knows: those of the Macintosh, and VISCII.
//!
//! Each has ASCII below 128; here are the characters from there on. Sources: <https://www.unicode.org/Public/MAPPINGS/VENDORS/APPLE/>, RFC 1456.

/// Bytes below 128 that are letters in VISCII.
const LETTERS_OF_VISCII: [u8; 6] = [0x02, 0x05, 0x06, 0x14, 0x19, 0x1E];

/// The upper half of a charset: 128 characters; of VISCII, those of [`LETTERS_OF_VISCII`] besides.
pub(super) type UpperHalf = &'static str;

/// The charset of this name: in lower case, letters and digits only, without `x` or `cs` before it.
pub(super) fn named(name: &str) -> Option<UpperHalf> {
    Some(match name {
        "macce" | "maccentraleurope" | "maccentraleurroman" | "maccentraleuropean" | "maclatin2" | "macee" | "cp10029" => {
            MAC_CENTRAL_EUROPE
        }
        "macgreek" | "cp10006" => MAC_GREEK,
        "macturkish" | "cp10081" => MAC_TURKISH,
        "macromanian" | "macromania" | "cp10010" => MAC_ROMANIAN,
        "maccroatian" | "cp10082" => MAC_CROATIAN,
        "macicelandic" | "maciceland" | "macis" | "cp10079" => MAC_ICELANDIC,
        "viscii" | "viscii111" => VISCII,
        _ => return None,
    })
}

/// Text of bytes in such a charset.
pub(super) fn decoded(bytes: &[u8], upper: UpperHalf) -> String {
    let upper: Vec<char> = upper.chars().collect();
    let character = |byte: &u8| {
        let index = match byte {
            128.. => Some(usize::from(byte - 128)),
            _ => LETTERS_OF_VISCII.iter().position(|letter| letter == byte).map(|place| 128 + place),
        };
        let character = index.and_then(|index| upper.get(index)).copied();
        character.unwrap_or(char::from(*byte))
    };
    bytes.iter().map(character).collect()
}

const MAC_CENTRAL_EUROPE: UpperHalf =
    "ÄĀāÉĄÖÜáąČäčĆćéŹźĎíďĒēĖóėôöõúĚěü†°Ę£§•¶ß®©™ę¨≠ģĮįĪ≤≥īĶ∂∑łĻļĽľĹĺŅņŃ¬√ńŇ∆«»…\u{a0}ňŐÕőŌ–—“”‘’÷◊ōŔŕŘ‹›řŖŗŠ‚„šŚśÁŤťÍŽžŪÓÔūŮÚůŰűŲųÝýķŻŁżĢˇ";
const MAC_GREEK: UpperHalf = "Ä¹²É³ÖÜ΅àâä΄¨çéèêë£™îï•½‰ôö¦€ùûü†ΓΔΘΛΞΠß®©ΣΪ§≠°·Α±≤≥¥ΒΕΖΗΙΚΜΦΫΨΩάΝ¬ΟΡ≈Τ«»…\u{a0}ΥΧΆΈœ–―“”‘’÷ΉΊΌΎέήίόΏύαβψδεφγηιξκλμνοπώρστθωςχυζϊϋΐΰ\u{ad}";
const MAC_TURKISH: UpperHalf = "ÄÅÇÉÑÖÜáàâäãåçéèêëíìîïñóòôöõúùûü†°¢£§•¶ß®©™´¨≠ÆØ∞±≤≥¥µ∂∑∏π∫ªºΩæø¿¡¬√ƒ≈∆«»…\u{a0}ÀÃÕŒœ–—“”‘’÷◊ÿŸĞğİıŞş‡·‚„‰ÂÊÁËÈÍÎÏÌÓÔ\u{f8ff}ÒÚÛÙ\u{f8a0}ˆ˜¯˘˙˚¸˝˛ˇ";
const MAC_ROMANIAN: UpperHalf = "ÄÅÇÉÑÖÜáàâäãåçéèêëíìîïñóòôöõúùûü†°¢£§•¶ß®©™´¨≠ĂȘ∞±≤≥¥µ∂∑∏π∫ªºΩăș¿¡¬√ƒ≈∆«»…\u{a0}ÀÃÕŒœ–—“”‘’÷◊ÿŸ⁄€‹›Țț‡·‚„‰ÂÊÁËÈÍÎÏÌÓÔ\u{f8ff}ÒÚÛÙıˆ˜¯˘˙˚¸˝˛ˇ";
const MAC_CROATIAN: UpperHalf = "ÄÅÇÉÑÖÜáàâäãåçéèêëíìîïñóòôöõúùûü†°¢£§•¶ß®Š™´¨≠ŽØ∞±≤≥∆µ∂∑∏š∫ªºΩžø¿¡¬√ƒ≈Ć«Č…\u{a0}ÀÃÕŒœĐ—“”‘’÷◊\u{f8ff}©⁄€‹›Æ»–·‚„‰ÂćÁčÈÍÎÏÌÓÔđÒÚÛÙıˆ˜¯πË˚¸Êæˇ";
const MAC_ICELANDIC: UpperHalf = "ÄÅÇÉÑÖÜáàâäãåçéèêëíìîïñóòôöõúùûüÝ°¢£§•¶ß®©™´¨≠ÆØ∞±≤≥¥µ∂∑∏π∫ªºΩæø¿¡¬√ƒ≈∆«»…\u{a0}ÀÃÕŒœ–—“”‘’÷◊ÿŸ⁄€ÐðÞþý·‚„‰ÂÊÁËÈÍÎÏÌÓÔ\u{f8ff}ÒÚÛÙıˆ˜¯˘˙˚¸˝˛ˇ";
const VISCII: UpperHalf = "ẠẮẰẶẤẦẨẬẼẸẾỀỂỄỆỐỒỔỖỘỢỚỜỞỊỎỌỈỦŨỤỲÕắằặấầẩậẽẹếềểễệốồổỗỠƠộờởịỰỨỪỬơớƯÀÁÂÃẢĂẳẵÈÉÊẺÌÍĨỳĐứÒÓÔạỷừửÙÚỹỵÝỡưàáâãảăữẫèéêẻìíĩỉđựòóôõỏọụùúũủýợỮẲẴẪỶỸỴ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_is_whole() {
        for (name, count) in [
            ("macce", 128),
            ("macgreek", 128),
            ("macturkish", 128),
            ("macromanian", 128),
            ("maccroatian", 128),
            ("macicelandic", 128),
            ("viscii", 134),
        ] {
            let upper = named(name).unwrap();
            assert_eq!(upper.chars().count(), count, "{name}");
            assert!(!upper.contains(char::REPLACEMENT_CHARACTER), "{name}");
        }
    }

    #[test]
    fn bytes_become_text() {
        for (name, bytes, expected) in [
            ("macce", &b"\x89erpadlo\n"[..], "\u{10c}erpadlo\n"),
            ("macgreek", b"\xB0\xE1", "\u{391}\u{3b1}"),
            ("macturkish", b"\xDD\x05", "\u{131}\u{5}"),
            ("viscii", b"Ti\xAAng Vi\xAEt \x02", "Ti\u{1ebf}ng Vi\u{1ec7}t \u{1eb2}"),
        ] {
            assert_eq!(decoded(bytes, named(name).unwrap()), expected);
        }
    }
}
