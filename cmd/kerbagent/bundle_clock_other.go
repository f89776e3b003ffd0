//go:build !linux

package main

func clockState() string { return "not known: only Linux is asked" }
