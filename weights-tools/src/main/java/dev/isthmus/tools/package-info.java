/**
 * The isthmus command: its subcommands, flags, output as text or JSON, progress and exit codes. Each subcommand is a
 * thin layer over the library; inference does not belong here. Results go to standard output and everything else to
 * standard error.
 */
package dev.isthmus.tools;
