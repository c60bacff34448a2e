package dev.isthmus.tools.commands;

import picocli.CommandLine.Option;

/** How a command shows its results. */
public final class OutputFlags {

    /** Whether the result is one JSON document on one line. */
    @Option(names = "--json", description = "Print the result as one line of JSON.")
    public boolean json;

    /** Whether an error comes with its stack trace. */
    @Option(names = "--verbose", description = "Show more on standard error, stack traces of errors among it.")
    public boolean verbose;
}
