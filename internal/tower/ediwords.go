package tower

// envelopeNames are the segments around transaction sets, which no set's schema
// has.
var envelopeNames = map[string]string{
	"ISA": "Interchange header", "IEA": "Interchange trailer", "GS": "Group header", "GE": "Group trailer", "TA1": "Interchange acknowledgment",
	"ST": "Set header", "SE": "Set trailer",
}

// elementNames are the elements of those segments.
var elementNames = map[string]string{
	"ISA05": "Sender's qualifier", "ISA06": "Sender", "ISA07": "Receiver's qualifier", "ISA08": "Receiver", "ISA09": "Date", "ISA10": "Time",
	"ISA12": "Version", "ISA13": "Control number", "ISA14": "TA1 asked for", "ISA15": "Usage",
	"IEA01": "Groups", "IEA02": "Control number",
	"GS01": "Group code", "GS02": "Sender", "GS03": "Receiver", "GS04": "Date", "GS05": "Time", "GS06": "Control number", "GS07": "Agency", "GS08": "Version",
	"GE01": "Sets", "GE02": "Control number", "ST01": "Set", "ST02": "Control number", "SE01": "Segments", "SE02": "Control number",
	"TA101": "Interchange answered", "TA102": "Its date", "TA103": "Its time", "TA104": "Verdict", "TA105": "Reason",
}

// codeMeanings say what codes mean that a person meets often, by element and
// value. The words are this project's own; the standard's tables are not free.
var codeMeanings = map[string]string{
	"ISA14 0": "no", "ISA14 1": "yes", "ISA15 P": "production", "ISA15 T": "test",
	"GS01 PO": "purchase orders", "GS01 PC": "order changes", "GS01 PR": "order acknowledgments", "GS01 CA": "change acknowledgments",
	"GS01 SH": "ship notices", "GS01 IN": "invoices", "GS01 FA": "acknowledgments", "GS01 OW": "warehouse orders", "GS01 SW": "warehouse shipments",
	"GS01 AW": "warehouse adjustments", "GS01 IB": "inventory",
	"BEG01 00": "original", "BEG01 05": "replaces", "BEG01 06": "confirms", "BEG02 NE": "new order", "BEG02 SA": "stand-alone order",
	"BEG02 DS": "drop shipment", "BEG02 BK": "blanket order", "BEG02 RL": "release",
	"BCH01 01": "cancellation", "BCH01 04": "change", "BCH02 NE": "new order", "BCH02 SA": "stand-alone order",
	"BAK01 00": "original", "BAK02 AC": "acknowledged, with detail and changes", "BAK02 AD": "acknowledged, with detail, unchanged",
	"BAK02 AK": "acknowledged", "BAK02 RD": "rejected, with detail", "BAK02 RJ": "rejected",
	"ACK01 IA": "accepted", "ACK01 IB": "backordered", "ACK01 IC": "accepted, changes made", "ACK01 IQ": "accepted, quantity changed",
	"ACK01 IP": "accepted, price changed", "ACK01 IR": "rejected", "ACK01 DR": "accepted, date rescheduled", "ACK01 IS": "substituted",
	"POC02 AI": "line added", "POC02 DI": "line cancelled", "POC02 QI": "quantity increased", "POC02 QD": "quantity decreased",
	"POC02 PC": "price changed", "POC02 CA": "line changed", "POC02 CT": "dates changed",
	"BSN01 00": "original", "BSN01 05": "replaces", "HL03 S": "shipment", "HL03 O": "order", "HL03 T": "tare (pallet)", "HL03 P": "carton", "HL03 I": "item",
	"W0501 N": "new order", "W0501 F": "cancellation", "W0501 R": "replaces",
	"W0601 F": "complete", "W0601 N": "original", "W0601 R": "replaces",
	"W1201 CC": "complete", "W1201 CN": "complete, with a change", "W1201 BP": "partly shipped", "W1201 SH": "short",
	"AK501 A": "accepted", "AK501 E": "accepted with errors", "AK501 R": "rejected", "AK501 P": "partly accepted",
	"IK501 A": "accepted", "IK501 E": "accepted with errors", "IK501 R": "rejected",
	"AK901 A": "accepted", "AK901 E": "accepted with errors", "AK901 P": "partly accepted", "AK901 R": "rejected",
	"TA104 A": "accepted", "TA104 E": "accepted with errors", "TA104 R": "rejected",
	"N101 BT": "bill to", "N101 BY": "buyer", "N101 ST": "ship to", "N101 SF": "ship from", "N101 VN": "vendor", "N101 SE": "seller", "N101 RE": "remit to",
	"N101 WH": "warehouse", "DTM01 002": "delivery requested", "DTM01 010": "ship requested", "DTM01 001": "cancel after", "DTM01 011": "shipped",
	"DTM01 037": "ship not before", "DTM01 038": "ship not later", "DTM01 063": "deliver not later", "DTM01 064": "deliver not before",
	"REF01 BM": "bill of lading", "REF01 CN": "carrier's reference", "REF01 DP": "department", "REF01 IA": "vendor number", "REF01 PO": "purchase order",
	"REF01 VN": "vendor's order", "PO103 EA": "each", "PO103 CA": "case", "SN103 EA": "each", "SN103 CA": "case", "IT103 EA": "each", "IT103 CA": "case",
}
