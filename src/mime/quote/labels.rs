//! The labels of the header lines that mail programs write above what they quote or forward, in their users' languages.
//!
//! Data only. Sources: the interface languages of Outlook (desktop, web and mobile), the translations of Gmail, Apple Mail and Yahoo Mail, and
//! those of Thunderbird (`mailnews.reply_header_originalmessage` and the `message-header-…` strings of comm-l10n); for Chinese, also what
//! Foxmail, QQ Mail and NetEase write. Several labels of one column are separated by `|`.

use std::{collections::HashMap, sync::LazyLock};

/// What the value of a header line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    From,
    When,
    To,
    Subject,
    /// Copies, where to answer, how urgent.
    Other,
}

/// A language and its labels for From, Sent or Date, To, and Subject.
type Row = [&'static str; 5];

#[rustfmt::skip]
const LABELS: [Row; 61] = [
    ["English",     "from",                         "sent|date|sent at|date sent",                          "to|sent to",           "subject"],
    ["Afrikaans",   "van",                          "gestuur|datum",                                        "aan",                  "onderwerp"],
    ["Albanian",    "nga",                          "dërguar|dërguar më|data",                              "për|te",               "subjekti|tema"],
    ["Arabic",      "من",                           "تم الإرسال|أُرسلت|المُرسَل|تاريخ الإرسال|التاريخ|أرسلت|الإرسال|مرسلة",   "إلى",                  "الموضوع"],
    ["Armenian",    "ուղարկողը|ումից|ում կողմից",    "ուղարկված է|ուղարկվել է|ամսաթիվ",                        "ստացողը|ում",          "թեմա"],
    ["Azerbaijani", "kimdən|göndərən",              "göndərildi|göndərilib|tarix",                          "kimə|kime",            "mövzu"],
    ["Basque",      "nork|igorlea|bidaltzailea|nondik", "bidalita|bidaltze-data|bidalia|noiz|data",         "nori|hartzailea|hona", "gaia"],
    ["Belarusian",  "ад",                           "адпраўлена|дата",                                      "каму",                 "тэма"],
    ["Bengali",     "প্রেরক|থেকে",                    "পাঠানো হয়েছে|তারিখ",                                     "প্রাপক|প্রতি",             "বিষয়"],
    ["Bosnian",     "od|šalje",                     "poslano|poslato|datum",                                "za|prima|kome",        "predmet"],
    ["Bulgarian",   "от|изпращач",                  "изпратено|изпратен|изпратено на|дата",                 "до|за",                "относно|тема"],
    ["Catalan",     "de",                           "enviat|enviat el|data d’enviament|data d'enviament|data de l'enviament|data", "per a|a|per", "assumpte|tema"],
    ["Chinese",     "发件人|寄件者|寄件人|发信人|發件人|来自", "发送时间|发送日期|日期|时间|寄件日期|傳送時間|傳送日期|發送時間|發送日期|时间戳|寄件時間|已傳送|已发送|發送|时間|時間|发送", "收件人|收件者|收信人|至", "主题|主旨|主題|标题|標題"],
    ["Croatian",    "od|šalje|pošiljatelj",         "poslano|datum|datum slanja",                           "prima|za|primatelj|kome", "predmet|naslov"],
    ["Czech",       "od|odesílatel",                "odesláno|odeslano|datum",                              "komu|pro|adresát",     "předmět|predmet|věc"],
    ["Danish",      "fra|afsender",                 "sendt|dato",                                           "til",                  "emne"],
    ["Dutch",       "van|afzender",                 "verzonden|datum|verzonden op|verstuurd",               "aan",                  "onderwerp"],
    ["Estonian",    "saatja|kellelt|lähettäjä",     "saadetud|saatmisaeg|kuupäev|saatmise aeg",             "adressaat|saaja|kellele|adressaadid", "teema"],
    ["Filipino",    "mula kay|mula sa|mula",        "ipinadala|naipadala|petsa",                            "kay|para kay|para sa|sa", "paksa"],
    ["Finnish",     "lähettäjä",                    "lähetetty|lähetysaika|päivämäärä|päiväys|lähetyspäivä", "vastaanottaja|saaja", "aihe"],
    ["French",      "de|expéditeur",                "envoyé|envoyé le|date|date d’envoi|date d'envoi|envoye|envoi", "à|a|pour|destinataire|envoyé à|vers", "objet|sujet"],
    ["Galician",    "de|dende",                     "enviado|enviada|enviado o|data",                       "para|a",               "asunto"],
    ["Georgian",    "გამომგზავნი|ვისგან|გამგზავნი",     "გაგზავნილია|გაგზავნის თარიღი|თარიღი|გაგზავნილი",              "მიმღები|ვის|ადრესატი",     "თემა|საგანი"],
    ["German",      "von|absender|abs",             "gesendet|gesendet am|datum|sent|gesandt|geschickt|verschickt", "an|empfänger",  "betreff|betrifft|thema"],
    ["Greek",       "από|αποστολέας",               "στάλθηκε|αποστολή|ημερομηνία|απεστάλη|ημ/νία|ημερομηνία αποστολής|εστάλη", "προς|παραλήπτης", "θέμα"],
    ["Gujarati",    "તરફથી|પ્રેષક",                    "મોકલ્યું|મોકલેલ|તારીખ",                                      "પ્રતિ",                   "વિષય"],
    ["Hebrew",      "מאת|מ",                        "נשלח|נשלח ב|תאריך|נשלחה|תאריך שליחה",                  "אל|ל|נמען",            "נושא"],
    ["Hindi",       "प्रेषक|से|द्वारा|भेजने वाला",           "भेजा गया|भेजा|भेजी गई|दिनांक|तारीख|प्रेषित",                        "प्रति|को|प्राप्तकर्ता|सेवा में",      "विषय"],
    ["Hungarian",   "feladó|küldő|kitől",           "küldve|elküldve|dátum|küldés dátuma|küldés ideje|idő", "címzett|kapja|kinek",  "tárgy"],
    ["Icelandic",   "frá|sendandi",                 "sent|dagsetning|dags",                                 "til|viðtakandi",       "efni"],
    ["Indonesian",  "dari|pengirim",                "terkirim|dikirim|tanggal|dikirimkan|waktu",            "kepada|ke|untuk",      "subjek|perihal|judul|hal"],
    ["Irish",       "ó",                            "seolta|dáta",                                          "chuig|go",             "ábhar"],
    ["Italian",     "da|mittente",                  "inviato|inviata|inviato il|data|data invio",           "a|per|destinatario",   "oggetto|ogg"],
    ["Japanese",    "差出人|送信者|発信者|送信元",     "送信日時|日付|日時|送信日|送信|送信時刻|送信済み",         "宛先|受信者|送信先|収件人", "件名|題名|表題"],
    ["Kazakh",      "жіберуші|кімнен|от кого",      "жіберілді|жіберілген|жіберілген күні|күні",            "алушы|кімге",          "тақырып|тақырыбы"],
    ["Korean",      "보낸 사람|보낸사람|보내는 사람|발신|발신자|보낸이|from", "보낸 날짜|보낸날짜|날짜|전송|보낸 시간|일시|발송일|보낸시간", "받는 사람|받는사람|수신|수신자|받는이", "제목"],
    ["Latvian",     "no|sūtītājs",                  "nosūtīts|nosūtīta|datums|sūtīts|nosūtīšanas datums",   "kam|adresāts|saņēmējs", "temats|tēma"],
    ["Lithuanian",  "nuo|siuntėjas|iš",             "išsiųsta|siųsta|data|išsiuntimo data|išsiųstas",       "kam|iki|gavėjas",      "tema"],
    ["Luxembourgish", "vun",                        "geschéckt|datum",                                      "un",                   "betreff|sujet"],
    ["Macedonian",  "од",                           "испратено|датум",                                      "до|за",                "предмет|наслов"],
    ["Malay",       "daripada|dari",                "dihantar|tarikh|dihantar pada",                        "kepada",               "subjek|perkara"],
    ["Marathi",     "कडून|पासून",                       "पाठवले|पाठविले",                                           "प्रति",                   "विषय"],
    ["Mongolian",   "илгээгч|хэнээс",               "илгээсэн|илгээсэн огноо|огноо",                        "хүлээн авагч|хэнд",    "сэдэв|гарчиг"],
    ["Norwegian",   "fra|avsender",                 "sendt|dato",                                           "til|mottaker",         "emne"],
    ["Persian",     "از|فرستنده",                   "ارسال شده|ارسال‌شده|فرستاده شده|تاریخ|ارسال",           "به|گیرنده",            "موضوع"],
    ["Polish",      "od|nadawca",                   "wysłano|wysłane|data|data wysłania|wysłany|data wysyłki", "do|adresat|odbiorca", "temat"],
    ["Portuguese",  "de|remetente",                 "enviado|enviada|enviado em|enviada em|enviado a|data|data de envio|enviado às", "para", "assunto"],
    ["Romanian",    "de la|expeditor|expeditorul",  "trimis|trimisă|trimis la|data|dată|dată trimitere|data trimiterii", "către|la|catre|destinatar|pentru|destinatarul", "subiect|subiectul"],
    ["Russian",     "от|от кого|отправитель",       "отправлено|дата|отправлен|дата отправки|послано|дата и время", "кому|получатель", "тема"],
    ["Serbian",     "od|од|šalje|шаље|pošiljalac|пошиљалац", "poslato|послато|datum|датум|poslao|послао|poslano", "za|за|kome|коме|prima|прима", "naslov|наслов|tema|тема|predmet|предмет"],
    ["Slovak",      "od|odosielateľ",               "odoslané|dátum|odoslaná|poslané",                      "komu|pre|adresát",     "predmet|vec"],
    ["Slovenian",   "od|pošiljatelj|iz",            "poslano|datum|poslana",                                "za|prejemnik|komu",    "zadeva|predmet"],
    ["Spanish",     "de|remitente|desde",           "enviado|enviado el|fecha|enviada el|enviado a las|fecha de envío|enviado a", "para|a|destinatario", "asunto|tema|sujeto"],
    ["Swedish",     "från|avsändare",               "skickat|datum|skickades|skickad|sänt|sänd",            "till|mottagare",       "ämne|rubrik"],
    ["Tamil",       "அனுப்புநர்|அனுப்பியவர்|இருந்து",    "அனுப்பியது|அனுப்பப்பட்டது|தேதி",                              "பெறுநர்",                "பொருள்|தலைப்பு"],
    ["Thai",        "จาก|ผู้ส่ง",                     "ส่งเมื่อ|ส่ง|วันที่|ส่งแล้ว|วันที่ส่ง",                              "ถึง|ผู้รับ",                "เรื่อง|หัวเรื่อง|ชื่อเรื่อง"],
    ["Turkish",     "kimden|gönderen",              "gönderildi|tarih|gönderilme tarihi|gönderme tarihi|gönderim tarihi|gönderilen|gönderim zamanı", "kime|alıcı", "konu"],
    ["Ukrainian",   "від|від кого|відправник",      "надіслано|відправлено|дата|дата надсилання",           "кому|отримувач|одержувач", "тема"],
    ["Urdu",        "منجانب|از|من جانب",            "بھیجا گیا|ارسال کردہ|تاریخ|بتاریخ",                     "بنام|بہ|کو|بطرف",      "موضوع|عنوان"],
    ["Vietnamese",  "từ|người gửi",                 "đã gửi|gửi|ngày|ngày gửi|gửi lúc|thời gian|đã gửi lúc|vào lúc", "đến|tới|người nhận|gửi đến", "chủ đề|tiêu đề"],
    ["Welsh",       "oddi wrth|gan",                "anfonwyd|dyddiad",                                     "at|i",                 "pwnc|testun"],
];

/// Copies, where to answer and the like.
const OTHERS: &str = "cc|bcc|kopie|kopie (cc)|kopi|kopia|kópia|kopio|copie|copie à|copia|cópia|copia a|másolat|másolatot kap|dw|udw|do wiadomości|\
    копия|копія|копија|bilgi|抄送|副本|密件抄送|참조|숨은참조|κοιν|κοινοποίηση|עותק|העתק|نسخة|نسخة إلى|สำเนา|สำเนาถึง|sao chép|tembusan|salinan|đồng kính gửi|koopia|\
    kopija|kopēt|vk|kp|cc.|ko|αντίγραφο|प्रतिलिपि|көшірме|skrytá kopie|reply-to|reply to|antwort an|antwoord aan|répondre à|réponse à|responder a|\
    rispondi a|svar til|svara till|vastaus|válaszcím|odpověď na|odpowiedź do|odpowiedź-do|odpovedať-pre|răspuns către|ответ-кому|odgovori na|yanıt adresi|\
    кому відповісти|回复|回复至|答复|importance|priority|wichtigkeit|priorität|priorité|importancia|prioridad|priorità|attachments|attachment|anlagen|anhänge|\
    pièces jointes|organization|organisation|sender|message-id|newsgroups|gruppen|list-id|x-mailer|mailed-by|signed-by|附件|重要性|添付ファイル|첨부|sensitivity|\
    sent by|resent-from|envoyé par|delivered-to|size|größe|categories|kategorien|conversation|follow up flag|required attendees|location|ort";

static ROLES: LazyLock<HashMap<&'static str, Role>> = LazyLock::new(|| {
    let mut roles = HashMap::new();
    for label in OTHERS.split('|') {
        roles.insert(label, Role::Other);
    }
    // The more telling role of a label that has two in different languages comes last.
    for (column, role) in [(3, Role::To), (4, Role::Subject), (2, Role::When), (1, Role::From)] {
        for row in &LABELS {
            for label in row[column].split('|') {
                roles.insert(label, role);
            }
        }
    }
    roles
});

/// Longest label, in bytes.
pub(super) const LABEL_LIMIT: usize = 64;

/// What a label in lower case stands for, in whichever language.
pub(super) fn role(label: &str) -> Option<Role> {
    ROLES.get(label).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_can_be_found() {
        for row in &LABELS {
            for label in row[1..].iter().flat_map(|column| column.split('|')) {
                assert_eq!(label, label.to_lowercase(), "{}", row[0]);
                assert_eq!(label, label.trim(), "{}", row[0]);
                assert!(!label.is_empty() && label.len() <= LABEL_LIMIT && role(label).is_some(), "{label}");
            }
        }
        assert_eq!(
            (role("gesendet"), role("à"), role("phone")),
            (Some(Role::When), Some(Role::To), None)
        );
    }
}
