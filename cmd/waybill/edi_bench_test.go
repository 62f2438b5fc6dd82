package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// ordersFile writes an interchange of 850s of about so many bytes, in groups of
// 5000.
func ordersFile(b *testing.B, size int) (name string) {
	b.Helper()
	sample, err := os.ReadFile("../../edi/x12/testdata/samples/own-850-basic.edi")
	if err != nil {
		b.Fatal(err)
	}
	text := strings.ReplaceAll(string(sample), "\n", "")
	head, set := text[:strings.Index(text, "GS*")], text[strings.Index(text, "~ST*850")+1:strings.Index(text, "GE*")]
	name = filepath.Join(b.TempDir(), "orders.edi")
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	out := bufio.NewWriter(f)
	fmt.Fprint(out, head)
	groups, orders := 0, 0
	for written := 0; written < size; {
		groups++
		fmt.Fprintf(out, "GS*PO*ACMEDIST*WAYBILL3PL*20260914*1203*%d*X*004010~", groups)
		for n := 1; n <= 5000; n++ {
			orders++
			control := fmt.Sprintf("*%04d~", n)
			one := strings.NewReplacer("ST*850*0001~", "ST*850"+control, "SE*28*0001~", "SE*28"+control, "4500012345", fmt.Sprintf("%010d", orders)).Replace(set)
			written += len(one)
			fmt.Fprint(out, one)
		}
		fmt.Fprintf(out, "GE*5000*%d~", groups)
	}
	fmt.Fprintf(out, "IEA*%d*000000011~", groups)
	if err := errors.Join(out.Flush(), f.Close()); err != nil {
		b.Fatal(err)
	}
	return name
}

// BenchmarkEDIRead runs the binary's "edi read --json" over files of two sizes.
// Its resident memory is below 64 MB for both, or the benchmark fails.
func BenchmarkEDIRead(b *testing.B) {
	bin := filepath.Join(b.TempDir(), "waybill")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	for _, size := range []int{50 << 20, 500 << 20} {
		b.Run(fmt.Sprintf("%dMB", size>>20), func(b *testing.B) {
			file := ordersFile(b, size)
			b.SetBytes(int64(size))
			peak := int64(0)
			for b.Loop() {
				c := exec.CommandContext(b.Context(), bin, "edi", "read", "--json", file)
				if err := c.Run(); err != nil {
					b.Fatal(err)
				}
				if usage, ok := c.ProcessState.SysUsage().(*syscall.Rusage); ok {
					peak = max(peak, usage.Maxrss) // in KiB, on Linux
				}
			}
			b.ReportMetric(float64(peak)/1024, "resident-MB")
			if peak == 0 || peak > 64<<10 {
				b.Errorf("%d KiB were resident, want less than 64 MiB whatever the size", peak)
			}
		})
	}
}
