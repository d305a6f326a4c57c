//! Mail in languages that are written without spaces, as SearchMessages finds it.

use mailagent_client::v1::SearchMessagesRequest;

use crate::harness::{Mail, on_both_engines};

const ANNA: &str = "anna@example.com";

#[tokio::test(flavor = "multi_thread")]
async fn words_of_languages_without_spaces_are_found() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let agent = h.agent(&client, ANNA).await;
        let subjects = [
            "关于离心泵的维修报价",
            "请重跑gen-itgc后再试",
            "ポンプの見積もり",
            "밸브를 교체",
            "ขอใบเสนอราคาปั๊มน้ำ",
            "Pump",
        ];
        for (minute, subject) in (0_u32..).zip(subjects) {
            let mail = Mail::new("eva@oak.example", subject)
                .header("Date", &format!("Mon, 23 Nov 2026 09:{minute:02}:00 +0000"))
                .header("Content-Type", "text/plain; charset=utf-8")
                .body("换热器的密封圈，请尽快更换。 ﾃｽﾄ済み");
            h.deliver(ANNA, &mail);
        }
        h.handled(&client, &agent.name, 6).await;
        let rows: [(&str, &[usize]); 25] = [
            ("离心泵", &[0]),
            ("维修", &[0]),
            ("泵", &[0]),
            ("价", &[0]),
            ("关于离心泵的维修报价", &[0]),
            ("离心 维修", &[0]),
            ("离泵", &[]),
            ("心离", &[]),
            ("重", &[1]),
            ("itgc", &[1]),
            ("gen*", &[1]),
            ("重跑gen", &[1]),
            ("后再试", &[1]),
            ("見積", &[2]),
            ("ﾎﾟﾝﾌﾟ", &[2]),
            ("밸브", &[3]),
            ("밸브*", &[3]),
            ("교체", &[3]),
            ("ใบเสนอราคา", &[4]),
            ("ปั๊มน้ำ", &[4]),
            ("ราคา", &[4]),
            ("pump 密封圈", &[5]),
            ("\"密封圈，请尽快\"", &[5, 4, 3, 2, 1, 0]),
            ("テスト", &[5, 4, 3, 2, 1, 0]),
            ("\u{93f}", &[]),
        ];
        for (query, expected) in rows {
            let request = SearchMessagesRequest {
                query: query.to_owned(),
                ..SearchMessagesRequest::default()
            };
            let found = client.clone().archive.search_messages(request).await;
            let found = found.unwrap_or_else(|error| panic!("{query}: {error:?}")).into_inner().messages;
            let found: Vec<&str> = found.iter().map(|message| message.subject.as_str()).collect();
            let expected: Vec<&str> = expected.iter().map(|index| subjects[*index]).collect();
            assert_eq!(found, expected, "{query}");
        }
    })
    .await;
}
