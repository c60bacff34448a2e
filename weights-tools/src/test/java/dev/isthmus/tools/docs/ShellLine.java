package dev.isthmus.tools.docs;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * A command of a page, as a shell would read it.
 *
 * @param place the page and line
 * @param environment the variables that the line sets for its command
 * @param input what {@code echo TEXT |} writes into the command; empty without it
 * @param words the command and its arguments, without quotes
 */
record ShellLine(String place, Map<String, String> environment, String input, List<String> words) {

    /** Three spaces separate a command from what the page says about it. */
    private static final String GAP = "   ";

    /** Reads the lines of a page's shell blocks. A line that ends in a backslash goes on in the next one. */
    static List<ShellLine> of(Page page) {
        List<ShellLine> found = new ArrayList<>();
        for (Page.Block block : page.blocks()) {
            if (block.isShell()) {
                StringBuilder line = new StringBuilder();
                for (int i = 0; i < block.lines().size(); i++) {
                    String text = block.lines().get(i).strip();
                    line.append(text, 0, text.endsWith("\\") ? text.length() - 1 : text.length());
                    if (!text.endsWith("\\") && !line.isEmpty()) {
                        found.add(of(page.name() + ":" + (block.line() + i), line.toString()));
                        line.setLength(0);
                    }
                }
            }
        }
        return found;
    }

    /** Reads one line. */
    static ShellLine of(String place, String text) {
        List<String> words = words(text);
        String input = "";
        int pipe = words.indexOf("|");
        if (pipe >= 0 && words.getFirst().equals("echo")) {
            input = String.join(" ", words.subList(1, pipe)) + "\n";
            words = words.subList(pipe + 1, words.size());
        }
        Map<String, String> environment = new TreeMap<>();
        while (words.size() > 1 && words.getFirst().matches("[A-Z_0-9]+=.*")) {
            String[] assignment = words.getFirst().split("=", 2);
            environment.put(assignment[0], assignment[1]);
            words = words.subList(1, words.size());
        }
        return new ShellLine(place, environment, input, words);
    }

    private static List<String> words(String text) {
        List<String> words = new ArrayList<>();
        StringBuilder word = new StringBuilder();
        boolean begun = false;
        char quote = 0;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (quote == 0 && text.startsWith(GAP, i)) {
                break;
            } else if (quote == 0 && c == ' ') {
                if (begun) {
                    words.add(word.toString());
                }
                word.setLength(0);
                begun = false;
            } else if (quote == c || quote == 0 && (c == '"' || c == '\'')) {
                quote = quote == 0 ? c : 0;
                begun = true;
            } else {
                word.append(c);
                begun = true;
            }
        }
        if (begun) {
            words.add(word.toString());
        }
        return words;
    }

    /** The command's first word. */
    String program() {
        return words.getFirst();
    }

    /** Whether the line runs the isthmus command. */
    boolean isIsthmus() {
        return program().equals("isthmus") || program().equals("./isthmus");
    }

    List<String> arguments() {
        return words.subList(1, words.size());
    }

    String text() {
        return String.join(" ", words);
    }

    @Override
    public String toString() {
        return place + ": " + text();
    }
}
