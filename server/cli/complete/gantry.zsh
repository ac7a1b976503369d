#compdef gantry
# Completion of gantry for zsh: put it as _gantry into a folder of $fpath, or say: source <(gantry completion zsh)
_gantry() {
    local line then
    local -a lines offers
    lines=("${(@f)$("${words[1]}" __complete -- "${(@)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)}")
    for line in "${lines[@]}"; do
        case $line in
            :nothing|:files|:joined) then=$line ;;
            ?*) offers+=("${${line%%$'\t'*}//:/\\:}${${line#*$'\t'}:+:${line#*$'\t'}}") ;;
        esac
    done
    case $then in
        :joined) _describe -V gantry offers -S '' || _files ;;
        :files) (( ${#offers} )) && _describe -V gantry offers || _files ;;
        *) _describe -V gantry offers ;;
    esac
}
if [[ ${funcstack[1]} == _gantry ]]; then _gantry "$@"; else compdef _gantry gantry; fi
