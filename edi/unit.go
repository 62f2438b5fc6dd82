package edi

import (
	_ "embed" // the table of units
	"strings"
)

//go:embed units.tsv
var unitTable string

// units maps X12 data element 355 to UN/ECE Recommendation 20 and 21.
var units, unitsBack = readUnits(unitTable)

func readUnits(table string) (forth, back map[string]string) {
	forth, back = map[string]string{}, map[string]string{}
	for line := range strings.Lines(table) {
		x12, rec, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		forth[x12] = rec
		if _, taken := back[rec]; !taken {
			back[rec] = x12
		}
	}
	return forth, back
}

// UnitFromX12 is the unit of UN/ECE Recommendation 20 (21 for packagings, with
// its leading X) for a code of X12 data element 355. ok is false where the
// table has none: the unit is then unknown and never guessed.
func UnitFromX12(code string) (unit string, ok bool) {
	unit, ok = units[code]
	return unit, ok
}

// UnitToX12 is [UnitFromX12] backwards.
func UnitToX12(unit string) (code string, ok bool) {
	code, ok = unitsBack[unit]
	return code, ok
}
