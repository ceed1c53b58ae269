"""XML signatures: one shape, verified; wrapping, truncation and other algorithms refused."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest
from hypothesis import given
from lxml import etree

from mcsec._core import Secret
from mcsec.errors import CheckFailed, DecodeError, InvalidValue, PeerError, UnknownKey
from mcsec.wire import dsig, xml
from support.xml import xml_texts

KEY = Secret(bytes(range(32)))
NAME = "ink.1.sip:u@example.org"
DS = f"{{{dsig.NAMESPACE}}}"
URN = "urn:example"


def keys(name: str) -> Secret:
    if name != NAME:
        raise UnknownKey("no such key")
    return KEY


def document(text: str = "go", key: Secret = KEY) -> etree._Element:
    root = etree.fromstring(f'<Signed xmlns="{URN}"><Order Id="o"><Do/></Order></Signed>')
    root[0][0].text = text
    root.append(dsig.sign(root[0], key, NAME))
    return xml.parse(xml.serialise(root))


def sub(root: etree._Element, path: str) -> etree._Element:
    found = root.find(path.replace("ds:", DS))
    assert found is not None
    return found


@given(xml_texts)
def test_what_was_signed_comes_back_alone(text: str) -> None:
    verified = dsig.verify(document(text), keys)
    assert verified.key_name == NAME
    assert verified.element.getparent() is None
    assert verified.element.tag == f"{{{URN}}}Order"
    assert verified.element[0].text == text


def test_the_mark_is_of_the_message() -> None:
    assert dsig.verify(document(), keys).mark == dsig.verify(document(), keys).mark
    assert dsig.verify(document(), keys).mark != dsig.verify(document("stop"), keys).mark


def refuse(root: etree._Element) -> str:
    with pytest.raises(PeerError) as caught:
        dsig.verify(root, keys)
    return caught.value.code


def test_a_changed_word() -> None:
    root = document()
    root[0][0].text = "stop"
    assert refuse(root) == "dsig.signature"


def test_another_key() -> None:
    assert refuse(document(key=Secret(b"x" * 32))) == "dsig.signature"


def test_an_unknown_key() -> None:
    root = document()
    sub(root, "ds:Signature/ds:KeyInfo/ds:KeyName").text = "ink.2.sip:u@example.org"
    with pytest.raises(UnknownKey):
        dsig.verify(root, keys)


def test_no_signature() -> None:
    root = document()
    root.remove(root[1])
    assert refuse(root) == "dsig.missing"


def _move_down(root: etree._Element) -> None:
    """The classic: the signed element is moved below another, and a forged one takes its place."""
    forged = deepcopy(root[0])
    forged.set("Id", "forged")
    forged[0].text = "forged"
    wrapper = etree.SubElement(root, f"{{{URN}}}Extra")
    wrapper.append(root[0])
    root.insert(0, forged)


def _twice(root: etree._Element) -> None:
    forged = deepcopy(root[0])
    forged[0].text = "forged"
    root.insert(0, forged)


def _inside_signature(root: etree._Element) -> None:
    forged = deepcopy(root[0])
    forged.set("Id", "forged")
    etree.SubElement(root[1], f"{DS}Object").append(root[0])
    root.insert(0, forged)


def _two_signatures(root: etree._Element) -> None:
    root.append(deepcopy(root[1]))


def _signature_below(root: etree._Element) -> None:
    root[0].append(root[1])


def _whole_document(root: etree._Element) -> None:
    sub(root, "ds:Signature/ds:SignedInfo/ds:Reference").set("URI", "")


def _elsewhere(root: etree._Element) -> None:
    sub(root, "ds:Signature/ds:SignedInfo/ds:Reference").set("URI", "http://127.0.0.1:9/")


def _truncated(root: etree._Element) -> None:
    method = sub(root, "ds:Signature/ds:SignedInfo/ds:SignatureMethod")
    etree.SubElement(method, f"{DS}HMACOutputLength").text = "8"


def _sha1(root: etree._Element) -> None:
    method = sub(root, "ds:Signature/ds:SignedInfo/ds:SignatureMethod")
    method.set("Algorithm", "http://www.w3.org/2000/09/xmldsig#hmac-sha1")


def _xslt(root: etree._Element) -> None:
    transform = sub(root, "ds:Signature/ds:SignedInfo/ds:Reference/ds:Transforms/ds:Transform")
    transform.set("Algorithm", "http://www.w3.org/TR/1999/REC-xslt-19991116")


def _beside(root: etree._Element) -> None:
    """Inside what is signed a signature is content; beside it, somebody may take it for the real one."""
    etree.SubElement(root, f"{{{URN}}}Extra").append(deepcopy(root[1]))


def _moved_inside(root: etree._Element) -> None:
    """Every element of the shape is there, in order, and one hangs elsewhere."""
    reference = sub(root, "ds:Signature/ds:SignedInfo/ds:Reference")
    reference[0].append(reference[1])


def _two_references(root: etree._Element) -> None:
    info = sub(root, "ds:Signature/ds:SignedInfo")
    info.append(deepcopy(info[-1]))


def _key_value(root: etree._Element) -> None:
    etree.SubElement(sub(root, "ds:Signature/ds:KeyInfo"), f"{DS}KeyValue")


def _no_key_name(root: etree._Element) -> None:
    sub(root, "ds:Signature/ds:KeyInfo/ds:KeyName").text = " "


@pytest.mark.parametrize(
    "attack",
    [
        _move_down, _twice, _inside_signature, _two_signatures, _signature_below, _whole_document, _elsewhere,
        _truncated, _sha1, _xslt, _two_references, _moved_inside, _beside, _key_value, _no_key_name,
    ],
)  # fmt: skip
def test_other_shapes(attack: Callable[[etree._Element], None]) -> None:
    root = document()
    attack(root)
    assert refuse(root) == "dsig.shape"


def test_a_truncated_value_is_wrong() -> None:
    root = document()
    value = sub(root, "ds:Signature/ds:SignatureValue")
    for text in ((value.text or "")[:8], "", "!!", None):
        value.text = text
        with pytest.raises(CheckFailed):
            dsig.verify(root, keys)


def test_inclusive_canonicalisation_is_read() -> None:
    from signxml import XMLSigner, methods

    root = etree.fromstring('<Signed><Order Id="o"><Do>go</Do></Order></Signed>')
    info = etree.fromstring(
        f'<ds:KeyInfo xmlns:ds="{dsig.NAMESPACE}"><ds:KeyName>{NAME}</ds:KeyName></ds:KeyInfo>'
    )
    signer = XMLSigner(methods.detached, "hmac-sha256", "sha256", dsig.INCLUSIVE_C14N)
    root.append(signer.sign(root, key=KEY.reveal(), reference_uri="#o"))
    root[1].append(info)
    assert dsig.verify(xml.parse(xml.serialise(root)), keys).element[0].text == "go"


@given(xml_texts)
def test_signxml_agrees(text: str) -> None:
    from signxml.verifier import SignatureConfiguration, XMLVerifier

    config = SignatureConfiguration(require_x509=False, location="./", expect_references=1)
    signed = XMLVerifier().verify(
        document(text), hmac_key=KEY.reveal(), id_attribute="Id", expect_config=config
    )
    assert not isinstance(signed, list)
    assert signed.signed_data == dsig.verify(document(text), keys).octets


def test_an_element_without_id_is_not_signed() -> None:
    with pytest.raises(InvalidValue):
        dsig.sign(etree.Element("a"), KEY, NAME)
    with pytest.raises(InvalidValue):
        dsig.sign(etree.Element("a", {"Id": '"/>'}), KEY, NAME)


def test_the_name_of_a_key_is_data() -> None:
    root = etree.fromstring('<a><b Id="b"/></a>')
    root.append(dsig.sign(root[0], KEY, "<&>"))
    assert dsig.key_name_of(xml.parse(xml.serialise(root))) == "<&>"


def test_no_error_shows_a_digest() -> None:
    root = document()
    root[0][0].text = "stop"
    with pytest.raises(CheckFailed) as caught:
        dsig.verify(root, keys)
    assert str(caught.value) == "the XML signature is wrong"
    with pytest.raises(DecodeError):
        dsig.key_name_of(root[0])
