package dev.isthmus.bindings;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * What came of looking for a native library.
 *
 * @param library  the library
 * @param loaded   what was loaded, empty when the library is not available
 * @param attempts every place that was tried, in order; the last is the one that succeeded, if one did
 */
public record LibraryStatus(NativeLibrary library, Optional<Loaded> loaded, List<Attempt> attempts) {
    /** The failure of an attempt that a setting forbids. */
    static final String SWITCHED_OFF = "switched off";

    public LibraryStatus {
        attempts = List.copyOf(attempts);
    }

    /** Where a library can come from. */
    public enum Origin {
        /** A system property or an environment variable names it. */
        NAMED("named explicitly"),
        /** A resource on the class path. */
        BUNDLED("bundled"),
        /** The operating system's own search path. */
        SYSTEM("the system's");

        private final String label;

        Origin(String label) {
            this.label = label;
        }

        @Override
        public String toString() {
            return label;
        }
    }

    /**
     * A library in use.
     *
     * @param origin  where it came from
     * @param path    its file, or the name by which the system's loader found it
     * @param details what the library says of itself, in the order to show it. OpenBLAS: {@code version},
     *                {@code core}, {@code config}; libisthmus: {@code abi}, {@code level}, {@code levels}; the CUDA
     *                driver: {@code version}; cuBLAS: {@code version} where it tells; the last two
     *                {@code stand_in} where they are the tests' stand-in
     */
    public record Loaded(Origin origin, String path, Map<String, String> details) {
        public Loaded {
            details = Collections.unmodifiableMap(new LinkedHashMap<>(details));
        }
    }

    /**
     * One place that was tried.
     *
     * @param place   the file, resource, name or setting
     * @param failure why the library could not be used from there; empty for a success
     */
    public record Attempt(String place, Optional<String> failure) {
        static Attempt failed(String place, String reason) {
            return new Attempt(place, Optional.of(reason));
        }

        static Attempt succeeded(String place) {
            return new Attempt(place, Optional.empty());
        }

        @Override
        public String toString() {
            return place + ": " + failure.orElse("loaded");
        }
    }

    /** Whether the library is missing because a setting says to do without it. */
    public boolean switchedOff() {
        return attempts.stream().anyMatch(attempt -> attempt.failure().equals(Optional.of(SWITCHED_OFF)));
    }

    /** Why the library is missing, in one line: every place that was tried and what went wrong; empty if it is there. */
    public String failure() {
        return available() ? "" : attempts.stream().map(Attempt::toString).collect(Collectors.joining("; "));
    }

    /** Whether the library can be called. */
    public boolean available() {
        return loaded.isPresent();
    }

    /** The whole story in a few lines: what was loaded or that nothing was, and each place that was tried. */
    public String report() {
        StringBuilder text = new StringBuilder(library.title());
        if (loaded.isPresent()) {
            Loaded found = loaded.get();
            text.append(": ").append(found.origin()).append(", ").append(found.path());
            found.details().forEach((key, value) -> text.append("\n  ").append(key).append(": ").append(value));
        } else {
            text.append(" is not available. To name a file, set -D").append(library.property()).append(" or ")
                    .append(library.variable()).append('.');
        }
        for (Attempt attempt : attempts) {
            text.append("\n  tried ").append(attempt);
        }
        return text.toString();
    }
}
