package main

import "github.com/spf13/cobra"

// limit leaves every command in: this is Linux.
func limit(*cobra.Command) {}
