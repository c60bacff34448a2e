package dev.isthmus.tools.hub;

import dev.isthmus.tools.io.CommandException;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * What names a model on the hub.
 *
 * @param repository {@code owner/name}, or {@code name} alone
 * @param revision a branch, tag or commit; empty for the default
 */
public record HubName(String repository, Optional<String> revision) {

    /** REPO_ID_REGEX of huggingface_hub's utils/_validators.py; the repository becomes the name of a folder. */
    private static final Pattern REPOSITORY = Pattern.compile("(\\b[\\w\\-.]{1,96}\\b/)?\\b[\\w\\-.]{1,96}\\b");

    /** Git's own rules, less what is no good in a path: it becomes the name of a file. */
    private static final Pattern REVISION = Pattern.compile("\\w[\\w\\-+.]*(/\\w[\\w\\-+.]*)*");

    private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");

    /** Reads {@code repository} or {@code repository@revision}; empty if it cannot be a name on the hub. */
    public static Optional<HubName> parse(String text) {
        int at = text.indexOf('@');
        if (at >= 0) {
            String revision = text.substring(at + 1);
            return parse(text.substring(0, at)).filter(name -> isRevision(revision)).map(name -> name.at(revision));
        }
        boolean valid = REPOSITORY.matcher(text).matches() && !text.contains("--") && !text.contains("..")
                && !text.endsWith(".git");
        return valid ? Optional.of(new HubName(text, Optional.empty())) : Optional.empty();
    }

    /** Reads a name that must be one. */
    public static HubName require(String text) {
        return parse(text).orElseThrow(() -> new CommandException("'" + text + "' is no name of a model on the"
                + " Hugging Face hub; expected one like gpt2, owner/name or owner/name@revision"));
    }

    static boolean isRevision(String text) {
        return text.length() <= 200 && REVISION.matcher(text).matches() && !text.contains("..");
    }

    static boolean isCommit(String text) {
        return COMMIT.matcher(text).matches();
    }

    /** This name with another revision. */
    public HubName at(String other) {
        if (!isRevision(other)) {
            throw new CommandException("'" + other + "' is no revision; expected a branch, a tag or a commit");
        }
        return new HubName(repository, Optional.of(other));
    }

    /** The repositories that may be meant: this one, or those of the owners that GPT-2's sizes have and have had. */
    public List<String> repositories() {
        return repository.contains("/") ? List.of(repository)
                : List.of("openai-community/" + repository, "distilbert/" + repository, repository);
    }

    @Override
    public String toString() {
        return repository + revision.map(name -> "@" + name).orElse("");
    }
}
