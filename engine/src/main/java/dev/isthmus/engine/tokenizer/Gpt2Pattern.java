package dev.isthmus.engine.tokenizer;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Recognizes GPT-2's pattern, which {@link Pretokenizer} scans by hand, in the ways that tokenizer files spell it:
 * contractions one by one or as {@code '(?:[sdmt]|ll|ve|re)}, possessive quantifiers, other orders of alternatives that
 * cannot both match, and tiktoken's {@code \s++$|\s+(?!\S)|\s} for the white space.
 */
final class Gpt2Pattern {

    /** Several times the longest spelling known. */
    private static final int MAX_LENGTH = 500;

    private static final Set<String> CONTRACTIONS = Set.of("'s", "'t", "'re", "'ve", "'m", "'ll", "'d");
    private static final Set<String> RUNS = Set.of(" ?\\p{L}+", " ?\\p{N}+", " ?[^\\s\\p{L}\\p{N}]+");
    private static final Set<List<String>> SPACES = Set.of(List.of("\\s+(?!\\S)", "\\s+"), List.of("\\s+(?!\\S)", "\\s"),
            List.of("\\s++$", "\\s+(?!\\S)", "\\s+"), List.of("\\s++$", "\\s+(?!\\S)", "\\s"));

    private static final Pattern GROUP = Pattern.compile("('?)\\((?:\\?:)?((?:[^()\\\\]|\\\\.)*)\\)", Pattern.DOTALL);
    private static final Pattern CHARACTERS = Pattern.compile("('?)\\[(\\w+)\\]");
    private static final Pattern EXCEPT = Pattern.compile("\\[\\^((?:\\\\s|\\\\p\\{[LN]\\})+)\\]");
    private static final Pattern MEMBER = Pattern.compile("\\\\s|\\\\p\\{[LN]\\}");

    private Gpt2Pattern() {}

    /** Whether a regular expression of Oniguruma's syntax matches what GPT-2's matches, piece by piece. */
    static boolean isSpelledBy(String regex) {
        if (regex.length() > MAX_LENGTH) {
            return false;
        }
        List<String> alternatives = new ArrayList<>();
        flatten(regex, alternatives);
        int runs = 0;
        Set<String> contractions = new HashSet<>();
        Set<String> seenRuns = new HashSet<>();
        while (runs < alternatives.size() && CONTRACTIONS.contains(alternatives.get(runs))) {
            contractions.add(alternatives.get(runs++));
        }
        int spaces = runs;
        while (spaces < alternatives.size() && RUNS.contains(run(alternatives.get(spaces)))) {
            seenRuns.add(run(alternatives.get(spaces++)));
        }
        return contractions.equals(CONTRACTIONS) && seenRuns.equals(RUNS)
                && SPACES.contains(alternatives.subList(spaces, alternatives.size()));
    }

    /** Adds the alternatives of an expression in order; those of a group or of a set of letters count one by one. */
    private static void flatten(String regex, List<String> alternatives) {
        for (String alternative : alternatives(regex)) {
            Matcher group = GROUP.matcher(alternative);
            Matcher characters = CHARACTERS.matcher(alternative);
            if (group.matches()) {
                List<String> inner = new ArrayList<>();
                flatten(group.group(2), inner);
                inner.forEach(each -> alternatives.add(group.group(1) + each));
            } else if (characters.matches()) {
                characters.group(2).chars().forEach(c -> alternatives.add(characters.group(1) + (char) c));
            } else {
                alternatives.add(alternative);
            }
        }
    }

    private static List<String> alternatives(String regex) {
        List<String> parts = new ArrayList<>();
        int depth = 0;
        int start = 0;
        for (int i = 0; i < regex.length(); i++) {
            switch (regex.charAt(i)) {
                case '\\' -> i++;
                case '(', '[' -> depth++;
                case ')', ']' -> depth--;
                case '|' -> {
                    if (depth == 0) {
                        parts.add(regex.substring(start, i));
                        start = i + 1;
                    }
                }
                default -> { }
            }
        }
        parts.add(regex.substring(start));
        return parts;
    }

    /** A run of one kind of character as GPT-2 spells it: nothing that follows it could make it give back a character. */
    private static String run(String alternative) {
        String plain = alternative.replace("++", "+").replace("?+", "?").replace("\\p{Letter}", "\\p{L}")
                .replace("\\p{Number}", "\\p{N}").replace("\\pL", "\\p{L}").replace("\\pN", "\\p{N}")
                .replaceFirst("^(?:\\[ \\]|\\\\x20|\\\\ )\\?", " ?");
        Matcher except = EXCEPT.matcher(plain);
        if (except.find()) {
            Set<String> members = new HashSet<>();
            MEMBER.matcher(except.group(1)).results().forEach(member -> members.add(member.group()));
            if (members.equals(Set.of("\\s", "\\p{L}", "\\p{N}"))) {
                return plain.replace(except.group(), "[^\\s\\p{L}\\p{N}]");
            }
        }
        return plain;
    }
}
