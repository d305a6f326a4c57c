use super::{
    lines::{COMPARISON, WORK_LIMIT},
    *,
};

fn mailbox(name: &str, address: &str) -> Mailbox {
    Mailbox {
        display_name: name.to_owned(),
        address: address.to_owned(),
    }
}

/// A message from Lena Holt to the Tarnbrook Service.
fn evidence(prefix: Option<Prefix>) -> Evidence {
    Evidence {
        prefix,
        senders: vec![mailbox("Lena Holt", "lena@halden.example")],
        recipients: vec![mailbox("Tarnbrook Service", "desk@tarnbrook.example")],
        ..Evidence::default()
    }
}

fn letters(text: &str) -> Vec<char> {
    let mut letters: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    letters.sort_unstable();
    letters
}

fn check_with(text: &str, evidence: &Evidence, written: &str, quoted_begins: &str) {
    let split = split(text, evidence);
    assert_eq!(split.written, written, "{text}");
    assert!(
        split.quoted.starts_with(quoted_begins) && split.quoted.is_empty() == quoted_begins.is_empty(),
        "{:?} does not begin with {quoted_begins:?}\n{text}",
        split.quoted
    );
    let both = format!("{}{}", split.written, split.quoted);
    assert_eq!(letters(&both), letters(&unmarked(text)), "nothing may be lost");
}

/// An answer.
fn check(text: &str, written: &str, quoted_begins: &str) {
    check_with(text, &evidence(Some(Prefix::Answer)), written, quoted_begins);
}

fn check_whole(text: &str) {
    check(text, text.trim_end(), "");
}

#[test]
fn history_begins_at_attributions() {
    for line in [
        "On Mon, 6 Jan 2025 at 10:00, Anna <a@x.example> wrote:",
        "On Mon, Jan 6, 2025 at 10:00 AM Anna with a long name <\na@x.example> wrote:",
        "Le lun. 6 janv. 2025 à 10:00, Anna <a@x.example> a écrit :",
        "ср, 5 февр. 2025 г. в 08:02, Сервис <desk@tarnbrook.example>:",
        "06.02.2025, 14:41, \"Tarnbrook Service\" <desk@tarnbrook.example>:",
        "---- On Thu, 06 Feb 2025 10:15:00 +0100 Anna <a@x.example> wrote ---",
        "In a message dated 2/25/2025 2:00:24 P.M. Central Standard Time,\na@x.example writes:",
        "Tarnbrook Service <desk@tarnbrook.example> 于2025年2月26日周三 16:45写道：",
        "Am 14.02.25 um 09:30 schrieb Tarnbrook Service:",
        "Anna Holt <a@x.example> wrote:",
    ] {
        check(&format!("Yes.\n\n{line}\n\n> quoted\n> more\n"), "Yes.", &line[..8]);
        check(&format!("Yes.\n{line}\n> quoted\n> more\n"), "Yes.", &line[..8]);
        check(&format!("Yes.\n\n{line}\n\nunmarked\n"), "Yes.", &line[..8]);
    }
    for line in [
        "11.02.2025 08:40, Tarnbrook Service:",
        "2014-10-17 11:28 GMT+03:00 Anna <\na@x.example>:",
    ] {
        check(&format!("Yes.\n\n{line}\n\n> quoted\n> more\n"), "Yes.", &line[..8]);
        check_whole(&format!("Yes.\n\n{line}\n\nunmarked\n"));
    }
    check(
        "It was the relay.--- On Mon, 3 Feb 2025 10:00 Anna <a@x.example> wrote:\n\n> Is it?",
        "It was the relay.",
        "--- On Mon",
    );
    check("Yes.\n\n>>> Anna <a@x.example> 03.02.2025 10:00 >>>\nunmarked", "Yes.", ">>> Anna");
    check("Yes.\n\nOn Mon, she wrote:\n> q1", "Yes.\n\nOn Mon, she wrote:", "> q1");
    check("Ok\n\n2013/7/20 Sam via Meta <a@x.example>\n\n| quoted\n| more", "Ok", "2013/7/20");
    check(
        "Ok\n\n> On 6 Jan 2025, at 10:00, Anna <a@x.example> wrote:\n>\n> Hi",
        "Ok",
        "> On 6",
    );
}

#[test]
fn history_begins_at_separators_and_header_blocks() {
    for block in [
        "-----Original Message-----\nFrom: Anna <a@x.example>\nTo: B",
        "-----Urspr\u{fc}ngliche Nachricht-----\nVon: Anna <a@x.example>\nDatum: heute",
        "From: A <a@x.example>\nSent: Monday, 10:00 AM\nTo: B\nSubject: s\n\nx",
        "Von: A <a@x.example>\nGesendet: Montag, 6. Januar 2025 10:00\nAn: B\nBetreff: s\n\nx",
        "De : A <a@x.example>\nEnvoy\u{e9} : lundi 6 janvier 2025 10:00\n\u{c0} : B\nObjet : s\n\nx",
        "*From:* A <a@x.example>\n*Sent:* Monday 10:00\n*To:* B\n*Subject:* s\n\nx",
        "From: Tarnbrook Service\nSent: Monday 10:00\nTo: B\nSubject: s\n\nx",
        "Gesendet: Mittwoch, 05. Februar 2025 um 09:12 Uhr\nVon: \"A\" <a@x.example>\nAn: b@y.example\nBetreff: s\nx",
        "จาก: A <a@x.example>\nส่งเมื่อ: 12 กุมภาพันธ์ 2568 10:00\nถึง: B\nเรื่อง: s\n\nx",
        "---- Replied Message ----\n| From | A<a@x.example> |\n| Date | 02/25/2025 09:00 |\n| To | B<b@y.example> |\n| Subject | s |\n\nx",
        "------------------ 原始邮件 ------------------\n发件人: \"A\" <a@x.example>;\n发送时间: 2025年2月5日(星期三) 上午9:12\n主题: s\n\nx",
    ] {
        check(&format!("Yes.\n\n{block}"), "Yes.", &block[..6]);
        check(&format!("Yes.\n________________________________\n{block}"), "Yes.", "______");
    }
    // A language that the table does not have.
    check(
        "Yes.\n________________________________\nHuey: A <a@x.example>\nQuando: 6 2 2025 10:00\nZu: B\nWas: s\n\nx",
        "Yes.",
        "______",
    );
}

#[test]
fn what_the_sender_quotes_is_the_sender_s() {
    let own = [
        "Hello,\n\nOn 10.02.2025 you wrote:\n\"The drum leaves on Wednesday.\"\n\nNothing has come.",
        "Guten Tag,\n\nam 11.02.2025 um 10:15 schrieb Ihr Kollege:\n„Die Gutschrift folgt.“\n\nSie ist nicht gekommen.",
        "Log:\n\n2025-02-13 04:10 deliver <alarm@x.example>:\ntimeout\n2025-02-13 04:11 deliver <alarm@x.example>:\ntimeout\n\nWhy?",
        "We move:\n\nFrom: Canal Street 14\nTo: Mill Lane 2\nDate: 3 March 2025\nSubject: bench 8\n\nPlease come.",
        "It shows\n\nOriginal message:\n\n\"Fault 31\" and nothing else.",
        "The sensor must withstand\n\n>180 °C\n>12 bar",
        "The values:\n\n| a | b |\n| 1 | 2 |",
        "The manual says:\n\n> Never open the lid.",
        "The night shift wrote on 2025-02-21:\n\nRoller 6 squeals.\n\nCan it run?",
        "Your colleague wrote on 3 February 2025:\n\n> It leaves today.\n\nNothing has come.",
        "On 10.02.2025 at 14:00 Tarnbrook Service wrote:\n\"It leaves today.\"\n\nNothing has come.",
        "He wrote:\nnothing",
        "On Monday we talked.",
        "Please note:\nThe original message was lost",
    ];
    for text in own {
        check_whole(text);
        check_with(text, &evidence(None), text, "");
    }
}

#[test]
fn without_an_answer_only_messages_that_are_known_are_history() {
    let check = |text: &str, written: &str, quoted: &str| check_with(text, &evidence(None), written, quoted);
    check(
        "It works.\n\n> From: Tarnbrook Service <desk@tarnbrook.example>\n> Sent: Friday 7:45 AM\n> To: L\n>\n> Does it?",
        "It works.",
        "> From",
    );
    check(
        "It works.\n\nOn 6 Jan 2025, Tarnbrook <desk@tarnbrook.example> wrote:\n> Does it?",
        "It works.",
        "On 6",
    );
    for text in [
        "It works.\n\nOn 6 Jan 2025 at 10:00, Anna <a@x.example> wrote:\n> Does it?",
        "See below.\n\nFrom: Anna <a@x.example>\nSent: Friday 7:45 AM\nTo: L\nSubject: s\n\nDoes it?",
        "On 6 Jan 2025 at 10:00 Tarnbrook <desk@tarnbrook.example> wrote:\n\nIt leaves.\n\nNothing came.",
        "Hi\n\n> q1\n> q2",
    ] {
        check(text, text, "");
    }
}

#[test]
fn forwards_are_never_cut() {
    let text = "See below.\n\n-----Original Message-----\nFrom: A <a@x.example>\nSent: Monday 10:00\nTo: B\nSubject: s\n\nx\n\nOn 6 Jan 2025, C <c@x.example> wrote:\n> q";
    check_with(text, &evidence(Some(Prefix::Forward)), text, "");
    let carries = Evidence {
        carries: true,
        follows: true,
        ..evidence(None)
    };
    check_with(text, &carries, text, "");
    check_with(text, &evidence(Some(Prefix::Either)), text, "");
    // By what the text says.
    check_whole("See.\n\n---------- Forwarded message ---------\nFrom: A <a@x.example>\nDate: Mon 10:00\nSubject: s\nTo: B\n\nx");
    check_whole("Anfang der weitergeleiteten Nachricht:\n\n> Von: A <a@x.example>\n> Datum: 10:00\n> An: B\n>\n> x");
    let finnish = "Kyllä.\n\nLähettäjä: A <a@x.example>\nLähetetty: 6.1.2025 10:00\nVastaanottaja: B\nAihe: s\n\nx";
    check_with(finnish, &evidence(Some(Prefix::Either)), "Kyllä.", "Lähettäjä");
}

#[test]
fn answers_between_and_below_quotations_stay() {
    check(
        "On 1/1/2025 10:00 A <a@x.example> wrote:\n> q1\nanswer\n> q2\nlast answer",
        "On 1/1/2025 10:00 A <a@x.example> wrote:\n> q1\nanswer\n> q2\nlast answer",
        "",
    );
    check("Hi\n> q1\nanswer", "Hi\n> q1\nanswer", "");
    check("Hi\n\n> q1\n\nanswer\n\n> q2\n> q3", "Hi\n\n> q1\n\nanswer", "> q2");
    check("Hi\n\n> Agreed?\nYes\n> Price?\n", "Hi\n\n> Agreed?\nYes", "> Price?");
    // The only quotation is taken out from above an answer.
    check("On 1/1/2025 10:00 A <a@x.example> wrote:\n> q1\n\nanswer", "answer", "On 1/1/2025");
    check(
        "Hello,\n\n> Von: A <a@x.example>\n> Gesendet: Montag 10:30\n> An: B\n>\n> q\n\nanswer\n\nLena",
        "Hello,\n\nanswer\n\nLena",
        "> Von",
    );
    check(
        "> -----Original Message-----\n> From: A <a@x.example>\n> To: B\n>\n> q\n\nanswer",
        "answer",
        "> -----",
    );
}

#[test]
fn quotations_at_the_end_are_history() {
    check("Hi\n\n> q1\n>\n> q2\n", "Hi", "> q1");
    check("Hi\n> q1\n-- \nsignature", "Hi\n\n-- \nsignature", "> q1");
    check("Hi\n> q1\n\nLena Holt\nHalden", "Hi\n\nLena Holt\nHalden", "> q1");
    check(
        "Hi\n\nOn 1/1/2025 10:00 A <a@x.example> wrote:\n> q1\n\nSent from my iPhone",
        "Hi\n\nSent from my iPhone",
        "On 1/1",
    );
    let long = "> a line that is so long that a program has wrapped the last word of its";
    check(&format!("Hi\n{long}\nsentence\n> q2"), "Hi", "> a line");
    check("Hi\n\n> View (http://x.example/action\n_nonce=3)\n> q2", "Hi", "> View");
}

#[test]
fn texts_without_anything_else_stay_whole() {
    for text in [
        "",
        "> only quoted",
        "-----Original Message-----\nFrom: x",
        "On 6 Jan 2025 at 10:00, Tarnbrook Service <desk@tarnbrook.example> wrote:\n\n> q",
        "-- \nLena Holt\n\n-----Original Message-----\nFrom: A <a@x.example>\nSent: Monday 10:00\n\nq",
        "Sent from my iPhone\n\nOn 6 Jan 2025 at 10:00, Anna <a@x.example> wrote:\n> q",
        "From: A <a@x.example>\nSent: Monday 10:00\nTo: B\nSubject: s\n\nx",
    ] {
        check_whole(text);
    }
}

#[test]
fn marks_of_html_are_evidence() {
    let (history, own) = (MARK_HISTORY, MARK_OWN);
    check(&format!("Yes.\n{history}\nXyz Anna <a@x.example> zyx\n\n> q"), "Yes.", "Xyz");
    check(
        &format!("Yes.\n{history}\nXyz: Anna <a@x.example>\nZyx: 10\n\nunmarked"),
        "Yes.",
        "Xyz",
    );
    check_with(
        &format!("Yes.\n{history}\nXyz Anna <a@x.example>\n\n> q"),
        &evidence(None),
        "Yes.",
        "Xyz",
    );
    let open = format!("Yes.\n{history}\nXyz: Anna <a@x.example>\n\nunmarked");
    check_with(&open, &evidence(None), "Yes.\nXyz: Anna <a@x.example>\n\nunmarked", "");
    check(&format!("Yes.\n{history}\nnothing of that kind"), "Yes.\nnothing of that kind", "");
    check(
        &format!("It says\n\n> own words{own}\n> more"),
        "It says\n\n> own words\n> more",
        "",
    );
}

/// What is compared is counted, and each line about once for each pattern.
#[test]
fn work_is_bounded() {
    let people = People::of(&[], &[mailbox("Tarnbrook Service", "desk@tarnbrook.example")]);
    let many = |line: &str, count: usize| line.repeat(count);
    for (text, times) in [
        (many("To: x\nTo: y\nz\n", 30_000), 60),
        (many("From: a b c\n", 30_000), 60),
        (many("On 1/1/2025 at 10:00 a <a@x.example\n", 30_000), 10),
        (many("On 1/1/2025 at 10:00 a <a@x.example>:\n", 30_000), 60),
        (many("> > > > > x\n", 30_000), 2),
        (many("| x\n", 30_000), 2),
        (many("a line of text\n", 30_000), 2),
        (many("\n", 300_000), 2),
        (many("> q\n\na:\n", 30_000), 20),
    ] {
        let lines = Lines::of(&text);
        let finder = Finder {
            blocks: Blocks::of(&lines),
            lines: &lines,
            people: &people,
            answers: true,
        };
        let started = std::time::Instant::now();
        finder.cut();
        assert!(started.elapsed().as_secs() < 20, "{:?} for {}", started.elapsed(), &text[..20]);
        let least = text.len() + COMPARISON * lines.count();
        assert!(
            lines.work() <= (times * least).min(WORK_LIMIT + 1_000_000),
            "{} for {least}: {:?}",
            lines.work(),
            &text[..20]
        );
    }
}
