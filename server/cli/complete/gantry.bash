# Completion of gantry for bash: put it into /etc/bash_completion.d, or say: source <(gantry completion bash)
_gantry() {
    local line="${COMP_LINE:0:COMP_POINT}" word then
    local -a words
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    local typed="${words[-1]}"
    # Bash breaks words at these signs and completes what stands behind the last.
    local kept="${typed%"${typed##*[=:]}"}"
    COMPREPLY=()
    while IFS= read -r word; do
        case $word in
            :nothing | :files | :joined) then=$word ;;
            *)
                word="${word%%$'\t'*}"
                COMPREPLY+=("${word#"$kept"}")
                ;;
        esac
    done < <("${words[0]}" __complete -- "${words[@]:1}" 2>/dev/null)
    case $then in
        :files) [[ ${#COMPREPLY[@]} -eq 0 ]] && compopt -o default 2>/dev/null ;;
        :joined) compopt -o nospace -o default 2>/dev/null ;;
    esac
    return 0
}
complete -F _gantry gantry
