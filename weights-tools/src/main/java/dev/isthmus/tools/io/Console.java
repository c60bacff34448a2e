package dev.isthmus.tools.io;

import java.io.BufferedOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;

/**
 * Where a command reads and writes, always in UTF-8: the results go to {@link #out}, everything else to
 * {@link #err}.
 */
public final class Console {

    /** Set by the launcher where standard error is a terminal, which Java cannot ask. */
    private static final String TERMINAL_PROPERTY = "isthmus.terminal";

    private final InputStream in;
    private final WatchedStream stream;
    private final PrintWriter out;
    private final PrintWriter err;
    private final boolean terminal;
    private final Map<String, String> environment;

    /**
     * Makes one.
     *
     * @param in what {@code -} reads
     * @param out takes the results
     * @param err takes messages
     * @param terminal whether {@code err} is a terminal, on which a line can be drawn over
     * @param environment the environment variables
     */
    public Console(InputStream in, OutputStream out, OutputStream err, boolean terminal,
            Map<String, String> environment) {
        this.in = in;
        this.stream = new WatchedStream(out);
        this.out = new PrintWriter(new OutputStreamWriter(new BufferedOutputStream(stream), StandardCharsets.UTF_8));
        this.err = new PrintWriter(new OutputStreamWriter(err, StandardCharsets.UTF_8), true);
        this.terminal = terminal;
        this.environment = environment;
    }

    /** The process's own streams. */
    public static Console ofProcess() {
        return new Console(standardInput(), new FileOutputStream(FileDescriptor.out),
                new FileOutputStream(FileDescriptor.err), Boolean.getBoolean(TERMINAL_PROPERTY), System.getenv());
    }

    /** Standard input. Where it is closed, the JVM's first file has its descriptor, one of the JDK's own. */
    private static InputStream standardInput() {
        boolean open;
        try {
            Path jdk = Path.of(System.getProperty("java.home")).toRealPath();
            open = !Path.of("/proc/self/fd/0").toRealPath().startsWith(jdk);
        } catch (IOException unknown) {
            open = true;
        }
        if (open) {
            return System.in;
        }
        return new InputStream() {
            @Override
            public int read() throws IOException {
                throw new IOException("it is closed");
            }
        };
    }

    public InputStream in() {
        return in;
    }

    /** Takes the results. */
    public PrintWriter out() {
        return out;
    }

    /** Takes messages. */
    public PrintWriter err() {
        return err;
    }

    public boolean terminal() {
        return terminal;
    }

    public Map<String, String> environment() {
        return environment;
    }

    /** The user's home directory. */
    public Path home() {
        return Path.of(environment.getOrDefault("HOME", System.getProperty("user.home")));
    }

    /** Prints a line of the command's own to standard error. */
    public void say(String message) {
        err.println("isthmus: " + message);
    }

    /** Whether nobody reads the results any more; flushes them. */
    public boolean outputIsGone() {
        return out.checkError();
    }

    /**
     * Flushes everything.
     *
     * @return whether all results could be written. A reader that left early, as {@code head} does, is no failure.
     */
    public boolean finish() {
        err.flush();
        if (!out.checkError() || stream.failure == null || stream.readerLeft()) {
            return true;
        }
        err.println("isthmus: error: cannot write to standard output: " + stream.failure.getMessage());
        return false;
    }

    /** Remembers the failure that a PrintWriter swallows. */
    private static final class WatchedStream extends FilterOutputStream {

        private IOException failure;

        WatchedStream(OutputStream out) {
            super(out);
        }

        @Override
        public void write(byte[] bytes, int offset, int length) throws IOException {
            try {
                out.write(bytes, offset, length);
            } catch (IOException e) {
                failure = e;
                throw e;
            }
        }

        boolean readerLeft() {
            return failure.getMessage() != null && failure.getMessage().contains("Broken pipe");
        }
    }
}
