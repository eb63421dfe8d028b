"""The outcome of a check, as a text that a lawyer can read and as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from gateway.evidence.item import Finding
from gateway.evidence.words import FINDINGS, NOTES


@dataclass(frozen=True, slots=True)
class StreamSummary:
    """What was seen of one stream. `signed` batches are reached by a valid checkpoint; `keys` made the checkpoints."""

    gateway: str
    stream: str
    first: int
    last: int
    batches: int
    repeats: int
    signed: int
    keys: Sequence[str]


@dataclass(frozen=True, slots=True)
class Report:
    """`proven`: no findings, and every stream is signed by the pinned key. `omitted` findings were only counted."""

    pinned: str | None
    proven: bool
    streams: Sequence[StreamSummary]
    findings: Sequence[Finding]
    notes: Sequence[Finding]
    omitted: int = 0
    other_messages: int = 0
    days: int = 0

    @property
    def consistent(self) -> bool:
        """Whether nothing is wrong; the command's exit code is 0 then, else 1."""
        return not self.findings

    def as_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {
            "v": 1,
            "consistent": self.consistent,
            "origin": "proven" if self.proven else "unproven",
            "pinned": self.pinned,
            "streams": [asdict(stream) for stream in self.streams],
            "days": self.days,
            "other_messages": self.other_messages,
            "findings": [finding.as_json() for finding in self.findings],
            "findings_omitted": self.omitted,
            "notes": [note.as_json() for note in self.notes],
        }

    def verdict(self) -> tuple[str, str]:
        """The result in one sentence, English and Chinese."""
        total = len(self.findings) + self.omitted
        if total:
            return f"NOT CONSISTENT: {total} finding{'s' * (total != 1)}.", f"不一致：发现 {total} 处问题。"
        if not self.streams:
            return "Nothing to check: no batch in this record.", "没有可核验的内容：记录中没有任何批次。"
        if self.proven:
            return (
                f"Consistent, origin proven by key {self.pinned}.",
                f"一致，来源由公钥 {self.pinned} 证明。",
            )
        return "Consistent, origin unproven: no key was pinned.", "一致，但来源未获证明：未指定公钥。"

    def text(self, subject: str, checked_ms: int) -> str:
        """The report on `subject` as text; `checked_ms` is the time of the check (UTC)."""
        return "\n".join(self._lines(subject, checked_ms)) + "\n"

    def _lines(self, subject: str, checked_ms: int) -> Iterator[str]:
        english, chinese = self.verdict()
        yield "Report on a record of measurements · 监测数据记录核验报告"
        yield f"  Record · 记录: {subject}"
        yield f"  Checked · 核验时间: {iso(checked_ms)}"
        yield f"  Result · 结论: {english}"
        yield f"                 {chinese}"
        yield ""
        yield "What the record holds · 记录内容"
        for stream in self.streams:
            yield f"  Gateway · 网关 {stream.gateway}, stream · 数据流 {stream.stream}"
            yield f"    batches · 批次 {span(stream.first, stream.last)}: {stream.batches} seen · 已见"
            yield f"    identical repeats · 相同重复: {stream.repeats}; signed · 签名覆盖: {stream.signed}"
            for key in stream.keys:
                yield f"    key · 公钥 {key}"
        if not self.streams:
            yield "  no batches · 没有批次"
        yield f"  daily accounts checked · 已核对的日统计: {self.days}"
        for title, rows, words in (
            ("Findings · 发现的问题", self.findings, FINDINGS),
            ("Notes (no damage) · 说明（非问题）", self.notes, NOTES),
        ):
            if rows:
                yield ""
                yield title
            for number, row in enumerate(rows, 1):
                yield from _paragraph(number, row, words)
        if self.omitted:
            yield f"  … and {self.omitted} more findings · 另有 {self.omitted} 处问题"
        yield ""
        yield from _MEANING


def _paragraph(number: int, finding: Finding, words: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    where = ""
    if finding.gateway is not None:
        where = f"gateway · 网关 {finding.gateway}"
        where += f", stream · 数据流 {finding.stream}" if finding.stream is not None else ""
    yield f"  {number}. [{finding.kind}] {where}".rstrip()
    for sentence in sentences(finding, words):
        yield f"     {sentence}"


def sentences(finding: Finding, words: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
    """The finding's English and Chinese sentence."""
    fields: dict[str, Any] = {"first": finding.first, "last": finding.last}
    if finding.first is not None:
        last = finding.first if finding.last is None else finding.last
        fields |= {"span": span(finding.first, last), "count": last - finding.first + 1}
    fields |= {**finding.details, "rewritten": "", "rewritten_zh": ""}
    if finding.details.get("rewritten"):
        fields["rewritten"] = (
            " The record holds this batch as a JSON object, not as its exact bytes; the tool that recorded it may "
            "have written a number differently."
        )
        fields["rewritten_zh"] = "（记录保存的是 JSON 对象而非原始字节，也可能是记录工具改写了数字的写法。）"
    english, chinese = words[finding.kind]
    return english.format_map(fields), chinese.format_map(fields)


def span(first: int, last: int) -> str:
    """A range of seqs: 7 or 7-9."""
    return str(first) if first == last else f"{first}-{last}"


def iso(ms: int) -> str:
    """UTC with milliseconds: 2026-11-24T08:00:00.120Z."""
    seconds, rest = divmod(ms, 1000)
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"
    except (ValueError, OverflowError, OSError):  # a year that datetime does not know
        return f"{ms} ms"


_MEANING = (
    "How to read this · 说明",
    "  Each batch names its gateway, its stream and its number, and states the SHA-256 of the batch before it.",
    "  A batch that is removed, inserted or changed breaks this chain at that place. Hourly checkpoints sign the",
    "  chain with the gateway's Ed25519 key. Only a key obtained on another way than with the record proves who",
    "  wrote it (fieldgate verify --key KEY); without one the record is shown to be consistent in itself.",
    "  The last batches of a record, after its last checkpoint, are not signed yet.",
    "  每一批数据都写明网关、数据流和序号，并记载前一批的 SHA-256。删除、插入或改动任何一批都会使链在该处断开。",
    "  网关每小时用其 Ed25519 密钥对链签名（检查点）。只有通过其他途径取得的公钥才能证明来源",
    "  （fieldgate verify --key）；未指定公钥时，只能说明记录自身一致。最后一个检查点之后的批次尚未签名。",
)
