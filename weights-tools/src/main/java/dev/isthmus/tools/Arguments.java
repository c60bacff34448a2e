package dev.isthmus.tools;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * The command line as the process got it, in bytes. Java takes them for text in the locale's charset and replaces what is
 * none by U+FFFD without a word: all that is not ASCII where the locale is C or is not installed.
 */
final class Arguments {

    private static final char REPLACEMENT = '\uFFFD';

    private static final Path COMMAND_LINE = Path.of("/proc/self/cmdline");

    private Arguments() {}

    /** A message on the first argument that Java could not decode; empty if there is none. */
    static Optional<String> undecoded(String... args) {
        String charset = System.getProperty("sun.jnu.encoding");
        List<byte[]> bytes = List.of();
        for (int i = 0; i < args.length; i++) {
            if (args[i].indexOf(REPLACEMENT) < 0) {
                continue;
            }
            bytes = bytes.isEmpty() ? ofProcess(args.length) : bytes;
            boolean typed = charset.equals("UTF-8") && (bytes.isEmpty() || isUtf8(bytes.get(i)));
            if (!typed) {
                return Optional.of("argument " + (i + 1) + ", '" + args[i] + "': expected text in the locale's charset, "
                        + charset + ", found other bytes; set LC_ALL=C.UTF-8 and give it in UTF-8, or a text from"
                        + " a file or standard input");
            }
        }
        return Optional.empty();
    }

    /**
     * Whether a value that begins with a dash is attached to its option, as in {@code --stop=-f}. picocli takes such a
     * value for an option where it reads like one and its option may come several times, unless told not to.
     */
    static boolean attachDashes(String... args) {
        return Arrays.stream(args).takeWhile(each -> !each.equals("--")).anyMatch(each -> each.matches("(?s)--[^=]+=-.*"));
    }

    /**
     * What ends the options: two dashes, or where they are no argument, what nobody can type. picocli takes the attached
     * value of {@code --stop=--} for the end of the options, too.
     */
    static String endOfOptions(String... args) {
        return List.of(args).contains("--") ? "--" : "\0";
    }

    /** The last {@code count} arguments of this process; empty where the system does not tell. */
    private static List<byte[]> ofProcess(int count) {
        byte[] line;
        try {
            line = Files.readAllBytes(COMMAND_LINE);
        } catch (IOException notLinux) {
            return List.of();
        }
        List<byte[]> arguments = new ArrayList<>();
        int begin = 0;
        for (int i = 0; i < line.length; i++) {
            if (line[i] == 0) {
                arguments.add(Arrays.copyOfRange(line, begin, i));
                begin = i + 1;
            }
        }
        return arguments.size() < count ? List.of() : arguments.subList(arguments.size() - count, arguments.size());
    }

    private static boolean isUtf8(byte[] bytes) {
        try {
            StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes));
            return true;
        } catch (CharacterCodingException malformed) {
            return false;
        }
    }
}
