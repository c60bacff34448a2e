/**
 * The subcommands with their flags and their output as text or JSON. Each is a thin layer over the library; inference
 * does not belong here. Results go to standard output and everything else to standard error.
 */
package dev.isthmus.tools.commands;
