"""What each finding says and what to do about it, English and Chinese beside each other. `{…}` names its fields."""

from dataclasses import dataclass
from typing import Any

from gateway.diagnosis.findings import Finding


@dataclass(frozen=True, slots=True)
class Said:
    """One text in both languages."""

    en: str
    zh: str


WORDS: dict[str, tuple[Said, Said]] = {
    "down": (
        Said(
            "The line went down {count} times: {why}.",
            "线路断开 {count} 次：{why}。",
        ),
        Said(
            "Look at the adapter, its USB cable and its power; on a network at the switch and the device server.",
            "检查转换器、USB 线及供电；网络线路检查交换机和串口服务器。",
        ),
    ),
    "babble": (
        Said(
            "Something speaks without a pause: {count} of {of} questions drowned in it.",
            "总线上有设备不停发送：{of} 次询问中有 {count} 次被淹没。",
        ),
        Said(
            "Unplug the instruments one by one until it is quiet: the last one has a stuck driver. Without "
            "any instrument, the bus has no bias resistors or A and B are open.",
            "逐台断开仪表，直到总线安静：最后断开的一台发送器故障。若全部断开后仍有数据，则缺少偏置电阻或 A、B 悬空。",
        ),
    ),
    "silent_line": (
        Said(
            "Nobody answers: {of} questions, and not one byte came back.",
            "无任何应答：{of} 次询问，一个字节也没有收到。",
        ),
        Said(
            "Is it powered? Are A and B the right way round? Is this the right port? Then: `fieldgate scan` "
            "tries every usual baudrate, parity and address.",
            "检查供电、A/B 是否接反、端口是否正确；然后用 `fieldgate scan` 逐一尝试常用波特率、校验位和地址。",
        ),
    ),
    "wrong_baud": (
        Said(
            "Bytes come back ({count} of {of} questions), and not one right answer is among them: the "
            "baudrate or the parity is not the instrument's.",
            "有数据返回（{of} 次询问中 {count} 次），但没有一个正确的应答：波特率或校验位与仪表不一致。",
        ),
        Said(
            "Read baudrate, parity and stop bits off the instrument's menu, or let `fieldgate scan` find "
            "them. If they are right, A and B are the wrong way round.",
            "在仪表菜单中查看波特率、校验位和停止位，或用 `fieldgate scan` 查找。若设置无误，则可能 A、B 接反。",
        ),
    ),
    "echo": (
        Said(
            "The adapter hears what it sends itself ({count} of {of} questions). The gateway removes this "
            "echo; nothing is lost by it.",
            "转换器会收到自己发送的数据（{of} 次询问中 {count} 次）。网关会去除回波，不影响数据。",
        ),
        Said(
            "Switch the adapter's echo off (its receiver is enabled while it sends; a jumper or switch, "
            "often RE), or leave it as it is.",
            "关闭转换器的回波（发送时接收器未禁用，常为 RE 跳线或开关），也可以保持现状。",
        ),
    ),
    "noise": (
        Said(
            "{bytes} bytes came that belong to no answer: at {count} of {of} questions, {idle} of them while "
            "nobody spoke.",
            "收到 {bytes} 个不属于任何应答的字节：涉及 {of} 次询问中的 {count} 次，其中 {idle} 个在总线空闲时出现。",
        ),
        Said(
            "Termination of 120 ohm at both ends of the bus and only there, bias resistors at one place, "
            "shield earthed at one end, away from motor cables and frequency converters.",
            "在总线两端（仅两端）各接 120 欧终端电阻，偏置电阻只设一处，屏蔽层单端接地，远离电机电缆和变频器。",
        ),
    ),
    "stranger": (
        Said(
            "{count} frames of units came that nobody asked (address {units}), {idle} of them before the "
            "first question.",
            "收到 {count} 个未被询问单元的报文（地址 {units}），其中 {idle} 个在首次询问之前。",
        ),
        Said(
            "Another master asks on this line: only one may. Or an instrument answers under an address that "
            "is not its own: look at its menu.",
            "线路上有另一个主站：只允许一个主站。或者某台仪表用错误的地址应答：查看其菜单设置。",
        ),
    ),
    "dead": (
        Said(
            "Unit {unit} answers none of {of} questions.",
            "单元 {unit} 无应答：{of} 次询问全部无应答。",
        ),
        Said(
            "Is it powered? Is its address right? Is its drop of the cable connected, A to A and B to B? A "
            "unit that answers alone and not on the bus has a wrong baudrate or a bad place in the cable "
            "before it.",
            "检查供电、地址及分支接线（A 接 A，B 接 B）。单独连接有应答而接入总线无应答时，检查波特率或其前段电缆。",
        ),
    ),
    "misses": (
        Said(
            "Unit {unit} leaves {count} of {of} questions unanswered.",
            "单元 {unit} 在 {of} 次询问中有 {count} 次无应答。",
        ),
        Said(
            "A loose terminal, a weak supply, or an instrument that is busy: raise its `timeout`, or ask it "
            "less often. If all units do so, look at termination and bias.",
            "端子松动、供电不足或仪表繁忙：加大 `timeout` 或降低询问频率。若所有单元都如此，检查终端电阻和偏置电阻。",
        ),
    ),
    "two_answers": (
        Said(
            "Unit {unit} answered more than once to {count} of {of} questions: two instruments have this address.",
            "单元 {unit} 在 {of} 次询问中有 {count} 次重复应答：两台仪表使用了同一地址。",
        ),
        Said(
            "Switch one off and ask again; then give it an address of its own. Values under this address are "
            "not to be trusted until then.",
            "断开其中一台后再次询问，然后为其设置独立的地址。在此之前该地址下的数值不可信。",
        ),
    ),
    "garbled": (
        Said(
            "Unit {unit}: {count} of {of} answers are garbled, while the line otherwise carries data: "
            "probably two instruments have this address and speak at once.",
            "单元 {unit}：{of} 次应答中有 {count} 次被破坏，而线路本身可以传输数据：很可能两台仪表使用同一地"
            "址并同时应答。",
        ),
        Said(
            "Switch one instrument after the other off and ask again; give each an address of its own. If "
            "there is only one with this address, its drop of the cable or its transmitter is bad.",
            "逐台断开仪表后再次询问，为每台设置独立的地址。若确实只有一台，则其分支电缆或发送器有故障。",
        ),
    ),
    "damage": (
        Said(
            "Unit {unit}: {count} of {of} answers arrived damaged (wrong checksum, missing or changed bytes).",
            "单元 {unit}：{of} 次应答中有 {count} 次损坏（校验错误、字节缺失或被改变）。",
        ),
        Said(
            "Termination of 120 ohm at both ends, bias resistors, shield, no stubs, a common ground wire; a "
            "lower baudrate carries further. No value is taken from a damaged answer.",
            "两端接 120 欧终端电阻，检查偏置电阻、屏蔽和公共地线，避免长分支；降低波特率可传输更远。损坏的应"
            "答不会被采用。",
        ),
    ),
    "gap": (
        Said(
            "Unit {unit} pauses within {count} of {of} answers, for up to {longest_ms} ms; 1.5 characters are allowed.",
            "单元 {unit} 在 {of} 次应答中有 {count} 次中途停顿，最长 {longest_ms} 毫秒；标准只允许 1.5 个字符。",
        ),
        Said(
            "The gateway waits for the rest; other masters will not. It is the instrument's firmware, a "
            "radio link, or a device server that packs its bytes: set its packing time lower.",
            "网关会等待其余字节，其他主站则不会。原因是仪表固件、无线链路或串口服务器的打包时间：请调小打包时间。",
        ),
    ),
    "early": (
        Said(
            "Unit {unit} begins {count} of {of} answers before the quiet time is over: after {shortest_ms} "
            "ms at most, {right_ms} ms (3.5 characters) are right.",
            "单元 {unit} 在 {of} 次应答中有 {count} 次未等静默时间结束：最多 {shortest_ms} 毫秒，标准为 "
            "{right_ms} 毫秒（3.5 个字符）。",
        ),
        Said(
            "An adapter that is slow to turn round loses the first byte then: look for a setting such as "
            "`response delay` in the instrument and set some 5 ms.",
            "换向慢的转换器会因此丢失首字节：在仪表中查找“应答延时”之类的设置，设为约 5 毫秒。",
        ),
    ),
    "late": (
        Said(
            "Unit {unit} answers {count} of {of} questions too late: up to {latest_s} s, where the timeout "
            "is {timeout_s} s. Each time it settles and is left out meanwhile.",
            "单元 {unit} 在 {of} 次询问中有 {count} 次应答过晚：最长 {latest_s} 秒，而超时为 {timeout_s} 秒。"
            "每次之后都要静置，期间不被询问。",
        ),
        Said(
            "Set its `timeout` to {enough_s}s or more.",
            "将其 `timeout` 设为 {enough_s}s 或更长。",
        ),
    ),
    "slow": (
        Said(
            "Unit {unit} needs up to {p95_s} s for its answers (95 of 100), and the timeout is {timeout_s} s.",
            "单元 {unit} 的应答时间（95%）达 {p95_s} 秒，而超时为 {timeout_s} 秒。",
        ),
        Said(
            "Set its `timeout` to {enough_s}s.",
            "将其 `timeout` 设为 {enough_s}s。",
        ),
    ),
    "odd": (
        Said(
            "Unit {unit} gave {count} of {of} answers to something that was not asked: {said}.",
            "单元 {unit} 在 {of} 次询问中有 {count} 次应答与询问不符：{said}。",
        ),
        Said(
            "An answer that came late, a gateway device that mixes up its questions, or another master on "
            "the line: a longer `timeout`, fewer at once (`in_flight: 1`), one master.",
            "可能是迟到的应答、网关设备混淆了询问，或线路上有另一主站：加大 `timeout`，设 `in_flight: 1`，只"
            "保留一个主站。",
        ),
    ),
    "refused": (
        Said(
            "Unit {unit} refused {count} of {of} questions: exception {said}.",
            "单元 {unit} 拒绝了 {of} 次询问中的 {count} 次：异常 {said}。",
        ),
        Said(
            "The line is good. Is it the right profile for this model and firmware? Exceptions 10 and 11 "
            "come from a gateway device that does not reach the instrument behind it.",
            "线路正常。检查配置文件是否与型号和固件相符；异常 10 和 11 来自网关设备，表示其后的仪表不可达。",
        ),
    ),
}
"""Kind: what is wrong, what to do."""

HEALTHY = Said("Nothing was found.", "未发现问题。")


def says(finding: Finding) -> Said:
    """What is wrong."""
    return _filled(WORDS[finding.kind][0], finding)


def remedy(finding: Finding) -> Said:
    """What to do."""
    return _filled(WORDS[finding.kind][1], finding)


def _filled(text: Said, finding: Finding) -> Said:
    fields: dict[str, Any] = {"unit": finding.unit, "count": finding.count, "of": finding.of, **finding.details}
    return Said(text.en.format_map(fields), text.zh.format_map(fields))
