package edi

import (
	"fmt"
	"strings"
)

// CheckDigit is the GS1 check digit (modulo 10, weights 3 and 1 from the right)
// of a number without it. ok is false where digits holds anything but digits.
func CheckDigit(digits string) (digit byte, ok bool) {
	if digits == "" {
		return 0, false
	}
	sum, weight := 0, 3
	for i := len(digits) - 1; i >= 0; i-- {
		c := digits[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		sum += int(c-'0') * weight
		weight = 4 - weight
	}
	return byte('0' + (10-sum%10)%10), true
}

// ValidGTIN reports whether s is a GTIN of 8, 12, 13 or 14 digits with the
// right check digit.
func ValidGTIN(s string) bool {
	switch len(s) {
	case 8, 12, 13, 14:
		return checked(s)
	}
	return false
}

// SSCC reads a Serial Shipping Container Code as MAN*GM carries it: 18 digits,
// or 20 with the application identifier 00 before them. It returns the 18
// digits, and an error that says what is wrong with the number.
func SSCC(s string) (string, error) {
	digits := s
	if len(digits) == 20 {
		digits = strings.TrimPrefix(digits, "00")
	}
	if len(digits) != 18 || strings.Trim(digits, "0123456789") != "" {
		return "", fmt.Errorf("%q is no SSCC: want 18 digits, or 20 that begin with 00", s)
	}
	if !checked(digits) {
		digit, _ := CheckDigit(digits[:17])
		return "", fmt.Errorf("SSCC %s ends in check digit %c, and %c is the right one", digits, digits[17], digit)
	}
	return digits, nil
}

// NewSSCC makes the SSCC of a serial number: extension digit and GS1 company
// prefix, then the serial filled with zeros to 17 digits, then the check digit.
func NewSSCC(extension byte, prefix, serial string) (string, error) {
	fill := 17 - 1 - len(prefix) - len(serial)
	if fill < 0 {
		return "", fmt.Errorf("SSCC of prefix %s and serial %s: together they have more than 16 digits", prefix, serial)
	}
	body := string(extension) + prefix + strings.Repeat("0", fill) + serial
	digit, ok := CheckDigit(body)
	if !ok {
		return "", fmt.Errorf("SSCC of prefix %q and serial %q: want digits only", prefix, serial)
	}
	return body + string(digit), nil
}

func checked(s string) bool {
	digit, ok := CheckDigit(s[:len(s)-1])
	return ok && digit == s[len(s)-1]
}
