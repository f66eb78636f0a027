//go:build !linux

package main

// beFirst is never called: only Linux starts a program as the first process.
func beFirst() {}
