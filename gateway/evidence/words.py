"""Every sentence of the report, English and Chinese beside each other. `{…}` names a field of the finding."""

FINDINGS: dict[str, tuple[str, str]] = {
    "gap": (
        "Batches {span} ({count}) are missing, and no eviction report explains it.",
        "缺失第 {span} 批（共 {count} 批），且没有淘汰事件说明原因。",
    ),
    "gap.end": (
        "Batches {span} ({count}) are missing at the end: the next stream, {next}, states that this one "
        "ended at {ended}.",
        "末尾缺失第 {span} 批（共 {count} 批）：后续数据流 {next} 声明本流止于第 {ended} 批。",
    ),
    "gap.stream": (
        "The whole stream is missing: stream {next} states that it came before it and ended at batch {ended}.",
        "整个数据流缺失：数据流 {next} 声明其前一数据流即为本流，止于第 {ended} 批。",
    ),
    "double": (
        "Batch {span} occurs with different contents ({place}): one of the bodies is not the gateway's.",
        "第 {span} 批出现内容不同的重复（{place}）：其中之一并非网关所写。",
    ),
    "edit": (
        "Batch {span} was changed: its SHA-256 is not the one stated by the batch after it.{rewritten}",
        "第 {span} 批被改动：其 SHA-256 与后一批所记载的不符。{rewritten_zh}",
    ),
    "edit.range": (
        "At least one of batches {span} was changed: the SHA-256 values stated by the batches after them do not fit."
        "{rewritten}",
        "第 {span} 批中至少一批被改动：其 SHA-256 与后续批次所记载的不符。{rewritten_zh}",
    ),
    "first": (
        "Batch 1 does not begin the chain with 64 zeros as `prev`.",
        "第 1 批的 prev 不是 64 个零，链的起点不正确。",
    ),
    "signature": (
        "The checkpoint in batch {span} has a wrong signature for key {key}.",
        "第 {span} 批中检查点的签名与公钥 {key} 不符。",
    ),
    "checkpoint": (
        "The checkpoint in batch {span} does not describe the batch before it: {reason}.",
        "第 {span} 批中的检查点与前一批不一致：{reason}。",
    ),
    "key.changed": (
        "The signing key changed within the stream: {keys}.",
        "同一数据流内签名公钥发生改变：{keys}。",
    ),
    "key.pinned": (
        "{count} checkpoints of batches {span} are signed by key {key}, not by the pinned key {pinned}.",
        "第 {span} 批的 {count} 个检查点由公钥 {key} 签名，而非指定的公钥 {pinned}。",
    ),
    "unsigned": (
        "No checkpoint is signed by the pinned key {pinned}: the origin of batches {span} is not proven.",
        "没有由指定公钥 {pinned} 签名的检查点：第 {span} 批的来源未获证明。",
    ),
    "start": (
        "A start of the stream is told in batch {span}; a stream starts with batch 1.",
        "第 {span} 批声明数据流开始；数据流只能始于第 1 批。",
    ),
    "completeness": (
        "The daily account of {instrument} for {day} does not agree with the samples: {differences}.",
        "{instrument} 在 {day} 的完整性统计与样本不符：{differences}。",
    ),
    "completeness.event": (
        "The daily account in batch {span} contradicts itself: {reason}.",
        "第 {span} 批中的完整性统计自相矛盾：{reason}。",
    ),
    "topic": (
        "Batch {span} came on the topic of another gateway: {topic}.",
        "第 {span} 批出现在其他网关的主题上：{topic}。",
    ),
    "unreadable": (
        "{place} cannot be read: {reason}.",
        "{place} 无法读取：{reason}。",
    ),
    "crc": (
        "{place}: the stored bytes of batch {span} do not have the checksum (CRC) stored beside them.",
        "{place}：第 {span} 批的存储内容与其校验和（CRC）不符。",
    ),
    "row": (
        "{place}: the log calls this row {stored}, its body says {body}.",
        "{place}：日志记录标为 {stored}，而内容为 {body}。",
    ),
    "bundle.key": (
        "The bundle is signed by key {key}, not by the pinned key {pinned}.",
        "数据包由公钥 {key} 签名，而非指定的公钥 {pinned}。",
    ),
    "bundle": (
        "The bundle was changed after it was signed: {reason}.",
        "数据包在签名后被改动：{reason}。",
    ),
}

NOTES: dict[str, tuple[str, str]] = {
    "evicted": (
        "Batches {span} ({count}) are absent: the gateway reported that it had to remove them undelivered ({reason}).",
        "第 {span} 批（共 {count} 批）不在记录中：网关已报告因 {reason} 在送达前被淘汰。",
    ),
    "removed": (
        "Batches {span} ({count}) are no longer in the log: it has recorded that it removed them itself.",
        "第 {span} 批（共 {count} 批）已不在日志中：日志自身记载已将其清除。",
    ),
    "begins": (
        "The record begins with batch {first}; what came before is outside it.",
        "记录始于第 {first} 批；此前内容不在本记录范围内。",
    ),
    "open": (
        "Batches {span} ({count}) come after the last signed checkpoint: they are chained, not yet signed.",
        "第 {span} 批（共 {count} 批）在最近的已签名检查点之后：已入链，尚未签名。",
    ),
    "forgotten": (
        "When stream {next} began, the gateway's log knew this stream only up to batch {known}; the record has more.",
        "数据流 {next} 开始时，网关日志只知道本流至第 {known} 批；本记录包含更多批次。",
    ),
    "unchecked": (
        "The daily account of {instrument} for {day} cannot be checked, because batches of that time are not in the "
        "record: {differences}.",
        "{instrument} 在 {day} 的完整性统计无法核对，因为记录缺少该时段的批次：{differences}。",
    ),
    "key.catalogue": (
        "The points catalogue announces key {key}, which has signed no checkpoint in this record.",
        "测点目录公布的公钥 {key} 在本记录中没有签署任何检查点。",
    ),
}
