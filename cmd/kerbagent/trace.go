package main

import "github.com/spf13/cobra"

func newTrace(s streams) *cobra.Command { return &cobra.Command{Use: "trace"} }
