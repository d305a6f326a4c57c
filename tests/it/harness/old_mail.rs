//! Messages as if they had come before anybody was known, straight into the database: for tests that need very many.

/// The statements that archive `count` messages from `from`. Each of `parties` is an address of the first so many of them.
pub fn old_mail(is_postgres: bool, tenant: &str, (from, count): (&str, u32), parties: &[(&str, u32)]) -> Vec<String> {
    let (id, identity, hash) = if is_postgres {
        ("LPAD(i::TEXT, 26, '0')", "CONVERT_TO('identity ' || i, 'UTF8')", "'\\x00'::BYTEA")
    } else {
        ("printf('%026d', i)", "CAST('identity ' || i AS BLOB)", "x'00'")
    };
    let mut statements = vec![
        format!(
            "INSERT INTO tenant_position (tenant_id, last, oldest) VALUES ('{tenant}', {count}, 0) \
             ON CONFLICT (tenant_id) DO UPDATE SET last = tenant_position.last + {count}"
        ),
        format!(
            "INSERT INTO message (tenant_id, id, identity, position, message_id, direction, subject, from_name, from_address, recipients, \
             preview, links, agents, sent, received, archived, size, stored_size, blob_hash, attachment_count, unlinked) \
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) \
             SELECT '{tenant}', {id}, {identity}, last - {count} + i, '', 'incoming', 'old', '', '{from}', '{{}}', \
             '', '[]', '[]', i, i, i, 1, 1, {hash}, 0, TRUE FROM n, tenant_position WHERE tenant_position.tenant_id = '{tenant}'"
        ),
    ];
    statements.extend(parties.iter().map(|(address, most)| {
        format!(
            "INSERT INTO message_party (tenant_id, address_key, message_number, customer_id, contact_id, position, sent) \
             SELECT tenant_id, '{address}', number, '', '', position, sent FROM message WHERE subject = 'old' AND sent <= {most}"
        )
    }));
    statements
}
