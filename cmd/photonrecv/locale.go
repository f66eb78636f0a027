//go:build !windows

package main

import (
	"os"

	"photongate/protocol/table"
)

// excelHere is the form of CSV that Excel expects in this computer's country.
func excelHere() table.Excel { return table.ExcelFor(table.Locale(os.Getenv)) }
