"""The gateway's key file and the exact bytes that are signed."""

import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from gateway.signing import KeyDamaged, Signer, checkpoint_text, command_text, verify


def test_first_start_makes_a_private_key_only_the_owner_can_read(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    before = os.umask(0)
    try:
        signer = Signer.load_or_create(path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(bytes.fromhex(signer.key)) == 32
    assert [file.name for file in tmp_path.iterdir()] == ["key.pem"]


def test_second_start_finds_the_same_key(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    assert Signer.load_or_create(path).key == Signer.load_or_create(path).key


def test_two_starts_at_once_end_with_one_key(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: Signer.load_or_create(path).key, range(16)))
    assert len(set(keys)) == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_file_system_without_hard_links_still_gets_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "key.pem"
    assert Signer.load_or_create(path).key == Signer.load(path).key
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("size", [0, 1, 60, 118])
def test_damaged_key_is_named_and_kept(tmp_path: Path, size: int) -> None:
    path = tmp_path / "key.pem"
    Signer.load_or_create(path)
    damaged = path.read_bytes()[:size].replace(b"E", b"?")
    path.write_bytes(damaged)
    with pytest.raises(KeyDamaged, match=r"key\.pem: .*back-up"):
        Signer.load_or_create(path)
    assert path.read_bytes() == damaged


def test_key_of_another_kind_is_named(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    other = rsa.generate_private_key(65537, 2048)
    path.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(KeyDamaged, match="not an Ed25519 key"):
        Signer.load_or_create(path)


def test_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"):
        Signer.load_or_create(tmp_path / "absent" / "key.pem")


def test_signature_holds_for_its_own_bytes_and_key_only(tmp_path: Path) -> None:
    one, other = (Signer.load_or_create(tmp_path / name) for name in ("one", "other"))
    signature = one.sign(b"text")
    assert verify(one.key, b"text", signature)
    assert not verify(one.key, b"texT", signature)
    assert not verify(other.key, b"text", signature)
    assert not verify(one.key, b"text", other.sign(b"text"))


@given(st.text() | st.none(), st.text() | st.integers())
def test_nonsense_is_no_signature_and_no_error(key: str | None, signature: str | int) -> None:
    assert not verify(key, b"text", signature)  # type: ignore[arg-type]


def test_signature_is_the_one_of_rfc_8032() -> None:
    """RFC 8032 §7.1 test 2: public key, the message 0x72, its signature."""
    key = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    signature = (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert verify(key, b"\x72", signature)


def test_openssl_reads_the_key_file(tmp_path: Path) -> None:
    signer = Signer.load_or_create(tmp_path / "key.pem")
    command = ["openssl", "pkey", "-in", str(tmp_path / "key.pem"), "-pubout", "-outform", "DER"]
    public = subprocess.run(command, check=True, capture_output=True, timeout=30).stdout
    assert public[-32:].hex() == signer.key


def test_checkpoint_text_is_the_contract_s() -> None:
    assert checkpoint_text("gw-1", "01JD", 7, "ab") == b"fieldgate-checkpoint-1\ngw-1\n01JD\n7\nab\n"


def test_command_text_sorts_every_level_and_leaves_the_signature_out() -> None:
    body = {"v": 1, "signature": "00", "args": {"who": "王", "flag": "M", "signature": 1}, "id": "a"}
    assert command_text(body).decode() == '{"args":{"flag":"M","signature":1,"who":"王"},"id":"a","v":1}'


def test_command_that_json_cannot_say_is_refused() -> None:
    for value in (float("nan"), float("inf"), "\ud800"):
        with pytest.raises(ValueError, match=r"JSON|surrogate"):
            command_text({"args": {"value": value}})


@pytest.mark.parametrize(
    "spoil", [lambda pem: pem, lambda pem: b"a note\n" + pem, lambda pem: pem.replace(b"\n", b"\r\n")]
)
def test_key_file_of_openssl_is_read_however_it_is_written(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "key.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", path], check=True, timeout=30)
    public = subprocess.run(
        ["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"], check=True, capture_output=True, timeout=30
    ).stdout
    path.write_bytes(spoil(path.read_bytes()))
    assert Signer.load(path).key == public[-32:].hex()


def test_key_of_another_curve_as_long_as_ours_is_named(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "x25519", "-out", path], check=True, timeout=30)
    with pytest.raises(KeyDamaged, match="X25519PrivateKey"):
        Signer.load(path)
