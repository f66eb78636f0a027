package main

import (
	"golang.org/x/sys/windows/registry"

	"photongate/protocol/table"
)

// excelHere is the form of CSV that Excel expects in this computer's country:
// Windows keeps the two signs themselves, as the user may have chosen them.
func excelHere() table.Excel {
	key, err := registry.OpenKey(registry.CURRENT_USER, `Control Panel\International`, registry.QUERY_VALUE)
	if err != nil {
		return table.ExcelFor("")
	}
	defer key.Close()
	list, _, errList := key.GetStringValue("sList")
	decimal, _, errDecimal := key.GetStringValue("sDecimal")
	if errList != nil || errDecimal != nil || len(list) != 1 || len(decimal) != 1 || list == decimal {
		return table.ExcelFor("")
	}
	return table.Excel{Separator: list[0], Point: decimal[0]}
}
